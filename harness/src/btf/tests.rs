use super::raw::HEADER;
use super::*;

/// Types, each of its words, and strings behind an empty one, which is at 0.
fn raw(types: &[&[u32]], strings: &[&str]) -> Vec<u8> {
    let types: Vec<u32> = types.concat();
    let strings = format!(
        "\0{}",
        strings
            .iter()
            .map(|text| format!("{text}\0"))
            .collect::<String>()
    );
    let length = 4 * types.len() as u32;
    let header = [24, 0, length, length, strings.len() as u32];
    let words = header
        .iter()
        .chain(&types)
        .flat_map(|word| word.to_le_bytes());
    let mut data = vec![0x9f, 0xeb, 1, 0];
    data.extend(words);
    data.extend(strings.as_bytes());
    data
}

/// BTF of functions `void NAME(void)`, by ids from 2 on; `TAG NAME` has a tag, which takes an
/// id as well.
pub fn functions(names: &[&str]) -> Btf {
    let mut types = vec![0, kind::FUNC_PROTO << 24, 0];
    let (mut strings, mut at, mut id) = (Vec::new(), 1, 2);
    for name in names {
        let (tag, name) = name.split_once(' ').unwrap_or(("", name));
        types.extend([at, kind::FUNC << 24, 1]);
        if !tag.is_empty() {
            let place = at + name.len() as u32 + 1;
            types.extend([place, kind::DECL_TAG << 24, id, u32::MAX]);
        }
        for text in [name, tag].iter().filter(|text| !text.is_empty()) {
            strings.push(*text);
            at += text.len() as u32 + 1;
            id += 1;
        }
    }
    Btf::parse(&raw(&[&types], &strings), None).unwrap()
}

const INT: [u32; 4] = [1, kind::INT << 24, 4, 32];

#[test]
fn a_prototype_is_as_c_has_it() {
    // The ids count from 1.
    let types: [&[u32]; 12] = [
        &INT,
        &[0, kind::PTR << 24, 1],
        &[0, kind::CONST << 24, 1],
        &[0, kind::PTR << 24, 3],
        &[0, kind::CONST << 24, 2],
        &[0, kind::FUNC_PROTO << 24, 0],
        &[0, kind::PTR << 24, 6],
        &[0, kind::ARRAY << 24, 0, 1, 1, 4],
        &[0, kind::PTR << 24, 8],
        &[5, kind::STRUCT << 24, 0],
        &[
            0,
            kind::FUNC_PROTO << 24 | 5,
            4,
            7,
            5,
            9,
            7,
            11,
            9,
            13,
            10,
            0,
            0,
        ],
        &[15, kind::FUNC << 24, 11],
    ];
    let data = raw(&types, &["int", "s", "a", "b", "c", "d", "f"]);
    let c = Btf::parse(&data, None).unwrap().prototype(12).unwrap();
    let expected = "const int *f(int *const a, void (*b)(void), int (*c)[4], struct s d, ...)";
    assert_eq!(c, expected);
    let shape = Btf::parse(&data, None).unwrap().shape(12).unwrap();
    assert_eq!(shape.result, "__typeof__(int) *");
    let function = "__typeof__(__typeof__(void(void))) *";
    let array = "__typeof__(__typeof__(__typeof__(int)[4])) *";
    let arguments = ["__typeof__(int) *", function, array, "struct some"];
    assert_eq!(shape.arguments[..4], arguments);
}

#[test]
fn split_btf_goes_on_where_its_base_ends() {
    let base = Btf::parse(&raw(&[&INT], &["int"]), None).unwrap();
    // The base has 5 bytes of strings and the ids 0 and 1.
    let types: [&[u32]; 2] = [&[0, kind::FUNC_PROTO << 24, 1], &[6, kind::FUNC << 24, 2]];
    let split = Btf::parse(&raw(&types, &["f"]), Some(Arc::new(base))).unwrap();
    assert_eq!(split.prototype(3).unwrap(), "int f(void)");
    assert!(split.prototype(2).is_err() && split.prototype(4).is_err());
}

#[test]
fn a_structure_of_a_distilled_base_has_the_members_that_the_kernel_s_has() {
    let pointed: [&[u32]; 2] = [&INT, &[0, kind::PTR << 24, 1]];
    // A structure `s` of 4 bytes with one member.
    let whole = |member: u32| {
        let of = [5, kind::STRUCT << 24 | 1, 4, 0, member, 0];
        let types = [&pointed[..], &[&of[..]]].concat();
        Arc::new(Btf::parse(&raw(&types, &["int", "s"]), None).unwrap())
    };
    let is_plain = |whole: Option<Arc<Btf>>| {
        let base = raw(&[&[1, kind::STRUCT << 24, 4]], &["s"]);
        let base = Btf::parse(&base, None).unwrap().distilled(whole);
        // A function that takes a pointer to it.
        let types: [&[u32]; 3] = [
            &[0, kind::PTR << 24, 1],
            &[0, kind::FUNC_PROTO << 24 | 1, 0, 3, 2],
            &[3, kind::FUNC << 24, 3],
        ];
        let split = Btf::parse(&raw(&types, &["f"]), Some(Arc::new(base))).unwrap();
        let signature = split.signature(4).unwrap();
        format!("{:?}", signature.parameters[0].of).contains("is_plain: true")
    };
    assert_eq!(
        [None, Some(whole(1)), Some(whole(2))].map(is_plain),
        [false, true, false]
    );
}

#[test]
fn an_object_calls_kfuncs_if_functions_of_its_are_the_kernels() {
    let types = |kind: u32| -> [Vec<u32>; 3] {
        [
            vec![0, kind::FUNC_PROTO << 24, 0],
            vec![1, kind << 24, 1],
            vec![3, kind::DATASEC << 24 | 1, 0, 2, 0, 0],
        ]
    };
    let calls = |kind: u32, section: &str| {
        let types = types(kind);
        let types: Vec<&[u32]> = types.iter().map(Vec::as_slice).collect();
        let btf = Btf::parse(&raw(&types, &["f", section]), None).unwrap();
        btf.calls_kfuncs().unwrap()
    };
    assert!(calls(kind::FUNC, ".ksyms"));
    assert!(!calls(kind::FUNC, ".text") && !calls(kind::TYPEDEF, ".ksyms"));
}

#[test]
fn a_type_that_is_made_of_itself_is_an_error() {
    let types: [&[u32]; 3] = [
        &[0, kind::PTR << 24, 1],
        &[0, kind::FUNC_PROTO << 24, 1],
        &[1, kind::FUNC << 24, 2],
    ];
    let btf = Btf::parse(&raw(&types, &["f"]), None).unwrap();
    let error = btf.prototype(3).unwrap_err().to_string();
    assert_eq!(error, "a type without an end");
}

#[test]
fn a_name_is_no_longer_than_a_kernel_s() {
    let of = |strings: &[u8]| {
        let mut data = sample();
        data.truncate(HEADER + 12);
        // The strings' length stands at 20.
        data[20..24].copy_from_slice(&(strings.len() as u32).to_le_bytes());
        data.extend(strings);
        super::functions(&data, SAMPLE_BASE).map_err(|error| error.to_string())
    };
    let long = |letters: usize| [b"\0", vec![b'f'; letters].as_slice(), b"\0"].concat();
    assert_eq!(of(&long(511)).unwrap(), ["f".repeat(511)]);
    let endless = Err("a name without an end".to_owned());
    assert_eq!([of(&long(512)), of(b"\0f")], [endless.clone(), endless]);
}

#[test]
fn functions_are_named_behind_the_base() {
    assert_eq!(super::functions(&sample(), SAMPLE_BASE).unwrap(), ["f"]);
}

#[test]
fn a_name_that_the_base_has_stands_there() {
    let mut data = sample();
    // The name's offset is the first word behind the header.
    data[HEADER..HEADER + 4].copy_from_slice(&1u32.to_le_bytes());
    let functions = super::functions(&data, SAMPLE_BASE).unwrap();
    assert_eq!(functions, ["st_value"]);
}

#[test]
fn what_is_cut_off_is_an_error() {
    let data = sample();
    for end in 0..data.len() {
        assert!(
            super::functions(&data[..end], SAMPLE_BASE).is_err(),
            "{end} bytes"
        );
    }
}

/// The same BTF as a processor of the other byte order has it.
fn swapped(data: &[u8]) -> Vec<u8> {
    let strings = data.len() - u32::from_le_bytes(data[20..24].try_into().unwrap()) as usize;
    let words = data[4..strings].chunks(4);
    let words = words.flat_map(|word| word.iter().rev().copied());
    let mut swapped = vec![data[1], data[0], data[2], data[3]];
    swapped.extend(words);
    swapped.extend(&data[strings..]);
    swapped
}

#[test]
fn both_byte_orders_are_read() {
    let data = sample();
    let names = |data: &[u8]| raw::functions(data, SAMPLE_BASE).unwrap();
    assert!(!names(&data).is_empty());
    assert_eq!(names(&data), names(&swapped(&data)));
    assert_eq!(native(&swapped(&data)).unwrap(), data);
}
