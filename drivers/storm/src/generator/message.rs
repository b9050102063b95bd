//! The messages in hostile packets.

use super::Generator;

/// The largest field number (protobuf's encoding: 29 bits).
const MAX_FIELD: u32 = (1 << 29) - 1;

/// How deep groups are nested, mostly.
const DEPTH: u32 = 3;

/// Groups that are nested deeper than prost takes.
const DEEP: [u8; 202] = {
    let mut deep = [0x13; 202];
    let mut end = 101;
    while end < 202 {
        deep[end] = 0x14;
        end += 1;
    }
    deep
};

/// Fields that a decoder only just refuses.
const SPOILT: [&[u8]; 14] = [
    // Varints of too many bits and bytes, and one that does not end.
    &[8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2],
    &[8, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 0],
    &[8, 255],
    // Keys of field 0, of more than 32 bits, and without a value.
    &[0, 1],
    &[136, 128, 128, 128, 16, 1],
    &[8],
    // Wire types that do not exist, and one that `drop` does not have.
    &[22, 1],
    &[15, 1],
    &[10, 1, 1],
    // Lengths beyond the end, of more than 32 bits and of 64.
    &[18, 129, 128, 128, 128, 16, 1],
    &[18, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1],
    // Groups: without a start, with another's end, too deep.
    &[20],
    &[19, 28],
    &DEEP,
];

impl Generator {
    /// A message that is in order: fields, after one of about `filler` bytes.
    pub(super) fn message(&mut self, filler: usize) -> Vec<u8> {
        let mut message = Vec::new();
        if filler > 0 {
            key(&mut message, 2, 2);
            varint(&mut message, filler as u64);
            message.resize(message.len() + filler, 0xff);
        }
        for _ in 0..self.below(5) {
            if self.one_in(2) {
                self.drop(&mut message);
            } else {
                let field = self.unknown_field();
                self.field(&mut message, field, DEPTH);
            }
        }
        message
    }

    /// The field `drop`, as it may be written.
    fn drop(&mut self, message: &mut Vec<u8>) {
        let value = match self.below(8) {
            0..2 => 1,
            2..4 => 0,
            4 => 1 << self.below(64),
            5 => u64::MAX,
            6 => u64::from(self.random.rand_u32()),
            _ => u64::from(self.random.rand_u32()) << 32,
        };
        self.number(message, 1 << 3);
        self.number(message, value);
    }

    /// Any field of a number: a value of each wire type, groups within groups.
    fn field(&mut self, message: &mut Vec<u8>, number: u32, depth: u32) {
        let kinds = if depth > 0 { 5 } else { 4 };
        match self.below(kinds) {
            0 => {
                let value = u64::from(self.random.rand_u32()) << self.below(33);
                key(message, number, 0);
                self.number(message, value);
            }
            1 => {
                key(message, number, 1);
                message.extend(self.bytes(8));
            }
            2 => {
                let length = self.below(40);
                key(message, number, 2);
                varint(message, length as u64);
                message.extend(self.bytes(length));
            }
            3 => {
                key(message, number, 5);
                message.extend(self.bytes(4));
            }
            _ => self.group(message, number, depth),
        }
    }

    fn group(&mut self, message: &mut Vec<u8>, number: u32, depth: u32) {
        if depth == DEPTH && self.one_in(8) {
            // As deep as prost goes, or nearly so.
            let levels = 98 + self.below(3);
            (0..levels).for_each(|_| key(message, number, 3));
            (0..levels).for_each(|_| key(message, number, 4));
            return;
        }
        key(message, number, 3);
        for _ in 0..self.below(3) {
            // The number of `drop` means nothing here.
            let number = [1, self.unknown_field()][self.below(2)];
            self.field(message, number, depth - 1);
        }
        key(message, number, 4);
    }

    fn unknown_field(&mut self) -> u32 {
        match self.below(4) {
            0 => MAX_FIELD,
            1 => 2 + self.random.rand_range(0..MAX_FIELD - 1),
            _ => 2 + self.random.rand_range(0..15),
        }
    }

    /// A number as encoders write it, or in more bytes than it takes, of which a
    /// varint has at most ten.
    fn number(&mut self, message: &mut Vec<u8>, value: u64) {
        let start = message.len();
        varint(message, value);
        let free = 10 - (message.len() - start);
        if free > 0 && self.one_in(8) {
            let zeros = self.below(free);
            let last = message.len() - 1;
            message[last] |= 0x80;
            message.resize(message.len() + zeros, 0x80);
            message.push(0);
        }
    }

    /// Adds to a message what a decoder only just refuses.
    pub(super) fn spoil(&mut self, message: &mut Vec<u8>) {
        message.extend(SPOILT[self.below(SPOILT.len())]);
        if self.one_in(2) {
            message.extend([8, 1]);
        }
    }
}

/// Writes the key of a field.
fn key(message: &mut Vec<u8>, field: u32, wire: u32) {
    varint(message, u64::from(field << 3 | wire));
}

/// Writes a number, seven bits a byte, the lowest first.
fn varint(message: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        message.push(value as u8 | 0x80);
        value >>= 7;
    }
    message.push(value as u8);
}
