//! Makes small ELF files of functions that call each other.

/// A function: a number that tells it from others, and the indices of the functions that it calls.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) number: u32,
    pub(crate) calls: Vec<usize>,
}

pub(crate) const CODE_AT: u64 = 0x1000;

/// Where each function starts.
pub(crate) fn starts(functions: &[Made]) -> Vec<u64> {
    let mut at = CODE_AT;
    let start = |function: &Made| {
        let start = at;
        at += body_bytes(function).next_multiple_of(16);
        start
    };
    functions.iter().map(start).collect()
}

fn body_bytes(function: &Made) -> u64 {
    // push rbp; four times mov eax, number; calls; pop rbp; ret
    1 + 4 * 5 + 5 * function.calls.len() as u64 + 2
}

/// An x86-64 shared object with nothing but code and an entry, which is the first function.
pub(crate) fn elf(functions: &[Made]) -> Vec<u8> {
    let starts = starts(functions);
    let mut code = Vec::new();
    for (function, start) in functions.iter().zip(&starts) {
        code.resize((start - CODE_AT) as usize, 0xcc);
        code.push(0x55);
        for part in 0..4 {
            code.push(0xb8);
            code.extend((function.number ^ part << 20).to_le_bytes());
        }
        for callee in &function.calls {
            code.push(0xe8);
            let next = CODE_AT + code.len() as u64 + 4;
            code.extend((starts[*callee].wrapping_sub(next) as u32).to_le_bytes());
        }
        code.extend([0x5d, 0xc3]);
    }
    let names = b"\0.text\0.shstrtab\0";
    let (code_at, names_at) = (CODE_AT, CODE_AT + code.len() as u64);
    let headers_at = (names_at + names.len() as u64).next_multiple_of(8);
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    // ET_DYN, x86-64, version 1.
    for half in [3_u16, 62, 1, 0] {
        file.extend(half.to_le_bytes());
    }
    for long in [CODE_AT, 0, headers_at] {
        file.extend(long.to_le_bytes());
    }
    file.extend(0_u32.to_le_bytes());
    for half in [64_u16, 56, 0, 64, 3, 2] {
        file.extend(half.to_le_bytes());
    }
    file.resize(CODE_AT as usize, 0);
    file.extend(&code);
    file.extend(names);
    file.resize(headers_at as usize, 0);
    let mut header = |name: u32, kind: u32, flags: u64, address: u64, offset: u64, length: u64| {
        file.extend(name.to_le_bytes());
        file.extend(kind.to_le_bytes());
        for long in [flags, address, offset, length, 0, 1, 0] {
            file.extend(long.to_le_bytes());
        }
    };
    header(0, 0, 0, 0, 0, 0);
    header(1, 1, 6, code_at, code_at, code.len() as u64);
    header(7, 3, 0, 0, names_at, names.len() as u64);
    file
}
