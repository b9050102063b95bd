//! Numbers: those at the edges of what an argument can be, and any others.

use fastrand::Rng;

/// Numbers near which code errs: sizes of words, caches and pages, and the ends of types.
const EDGES: [u64; 21] = [
    0,
    1,
    2,
    3,
    4,
    8,
    16,
    32,
    64,
    100,
    128,
    256,
    512,
    1 << 10,
    1 << 12,
    1 << 15,
    1 << 16,
    1 << 31,
    1 << 32,
    1 << 63,
    1_000_000,
];

/// An integer type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Width {
    /// Its size, up to 8.
    pub bytes: usize,
    /// Whether it may be negative.
    pub is_signed: bool,
}

impl Width {
    /// As much of a number as it has room for.
    pub fn cut(self, number: u64) -> u64 {
        match self.bytes {
            8.. => number,
            bytes => number & ((1 << (8 * bytes)) - 1),
        }
    }

    /// A number of it: two of three lie at an edge, one of which is 0 seen from below.
    pub fn any(self, rng: &mut Rng) -> u64 {
        let number = match rng.u8(..6) {
            0..4 => {
                let edge = EDGES[rng.usize(..EDGES.len())];
                let near = edge.wrapping_add(rng.u64(..3)).wrapping_sub(1);
                match rng.u8(..4) {
                    0 => near.wrapping_neg(),
                    _ => near,
                }
            }
            4 => rng.u64(..64),
            _ => rng.u64(..) >> rng.u32(..64),
        };
        self.cut(number)
    }

    /// It in C.
    pub fn c(self) -> String {
        let sign = if self.is_signed { 's' } else { 'u' };
        format!("__{sign}{}", 8 * self.bytes)
    }

    /// A number of it in C.
    pub fn write(self, number: u64) -> String {
        let number = self.cut(number);
        let shift = 64 - 8 * self.bytes.min(8) as u32;
        let signed = ((number << shift) as i64) >> shift;
        match (self.is_signed, signed) {
            (true, -4096..=4096) => signed.to_string(),
            _ if number <= 4096 => number.to_string(),
            _ => format!(
                "({}){number:#x}{}",
                self.c(),
                if self.bytes == 8 { "ULL" } else { "U" }
            ),
        }
    }

    /// Simpler numbers, the simplest first.
    pub fn simpler(self, number: u64) -> Vec<u64> {
        let mut simpler = vec![0, 1];
        let top = 64 - number.leading_zeros();
        if top > 2 {
            simpler.push(1 << (top - 1));
        }
        simpler.retain(|other| *other < number);
        simpler
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INT: Width = Width {
        bytes: 4,
        is_signed: true,
    };

    #[test]
    fn numbers_fit_their_type_and_are_written_in_it() {
        let mut rng = Rng::with_seed(1);
        assert!((0..1000).all(|_| INT.any(&mut rng) <= u64::from(u32::MAX)));
        assert_eq!(INT.write(u64::from(u32::MAX)), "-1");
        assert_eq!(INT.write(0x8000_0000), "(__s32)0x80000000U");
        let long = Width {
            bytes: 8,
            is_signed: false,
        };
        assert_eq!(long.write(u64::MAX), "(__u64)0xffffffffffffffffULL");
    }

    #[test]
    fn edges_come_up_from_both_sides() {
        let mut rng = Rng::with_seed(1);
        let any: Vec<u64> = (0..2000).map(|_| INT.any(&mut rng)).collect();
        for edge in [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff] {
            assert!(any.contains(&edge), "{edge:#x}");
        }
    }

    #[test]
    fn what_is_simpler_is_smaller() {
        assert_eq!(INT.simpler(0x8000_0001), [0, 1, 0x8000_0000]);
        assert!(INT.simpler(0).is_empty());
    }
}
