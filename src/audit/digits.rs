//! Numbers as they stand in lines.

/// How many decimal digits it has.
pub(crate) fn width(value: u64) -> usize {
    value.checked_ilog10().unwrap_or(0) as usize + 1
}

/// Fills `space` with its last decimal digits.
pub(crate) fn base_10(mut value: u64, space: &mut [u8]) {
    for digit in space.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// The hexadecimal digits of these bytes, each made in its own byte of one word.
pub(crate) fn base_16(bytes: [u8; 4]) -> [u8; 8] {
    let mut digits = u64::from(u32::from_be_bytes(bytes));
    for (shift, mask) in [(16, 0x0000_ffff_0000_ffff), (8, 0x00ff_00ff_00ff_00ff), (4, 0x0f0f_0f0f_0f0f_0f0f)] {
        digits = (digits | digits << shift) & mask;
    }
    let letters = (digits + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
    (digits + 0x3030_3030_3030_3030 + letters * u64::from(b'a' - b'0' - 10)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use crate::audit::digits::{base_10, base_16, width};

    #[test]
    fn numbers_read_as_elsewhere() {
        for value in [0, 1, 9, 10, 99, 100, 12_345, u64::from(u32::MAX), u64::MAX] {
            let mut text = vec![0; width(value)];
            base_10(value, &mut text);
            assert_eq!(String::from_utf8(text).unwrap(), value.to_string());
        }
        for value in [0, 0x0123_4567, 0x89ab_cdef, 0x9a9a_a9a9, u32::MAX] {
            assert_eq!(base_16(value.to_be_bytes()), *format!("{value:08x}").as_bytes());
        }
    }
}
