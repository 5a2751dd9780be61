//! PostgreSQL's numeric: digits in base 10,000, most significant first.

use super::fault::Fault;

const NAN: u16 = 0xc000;
const INFINITY: u16 = 0xd000;
const MINUS_INFINITY: u16 = 0xf000;
const NEGATIVE: u16 = 0x4000;

/// Decimal digits in one of PostgreSQL's.
const DIGITS: i32 = 4;

/// The value times 10^`scale`.
pub(super) fn decode(bytes: &[u8], scale: u8) -> Result<i128, Fault> {
    let (header, digits) = bytes.split_first_chunk::<8>().ok_or(Fault::Malformed)?;
    let [count, weight, sign, _display] = [0, 2, 4, 6].map(|at| u16::from_be_bytes([header[at], header[at + 1]]));
    match sign {
        NAN | INFINITY | MINUS_INFINITY => return Err(Fault::NoCounterpart),
        0 | NEGATIVE => {}
        _ => return Err(Fault::Malformed),
    }
    if digits.len() != usize::from(count) * 2 {
        return Err(Fault::Malformed);
    }
    // How many decimal places the last digit is above the column's last one.
    let places = (i32::from(weight.cast_signed()) - i32::from(count) + 1) * DIGITS + i32::from(scale);
    let mut value = 0_i128;
    for (index, digit) in digits.as_chunks::<2>().0.iter().enumerate() {
        let digit = u16::from_be_bytes(*digit);
        // The last digit may reach below the scale, where only zeros can be.
        let below = if index + 1 == usize::from(count) { (-places).clamp(0, DIGITS).cast_unsigned() } else { 0 };
        let (kept, dropped) = (digit / 10_u16.pow(below), digit % 10_u16.pow(below));
        if digit > 9_999 || dropped != 0 {
            return Err(Fault::Malformed);
        }
        let factor = i128::from(10_u16.pow(DIGITS.cast_unsigned() - below));
        value = value.checked_mul(factor).and_then(|value| value.checked_add(kept.into())).ok_or(Fault::Malformed)?;
    }
    let above = 10_i128.checked_pow(places.max(0).cast_unsigned());
    let value = match above {
        _ if value == 0 => 0,
        Some(above) if places > -DIGITS => value.checked_mul(above).ok_or(Fault::Malformed)?,
        _ => return Err(Fault::Malformed),
    };
    Ok(if sign == NEGATIVE { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(weight: i16, sign: u16, digits: &[u16]) -> Vec<u8> {
        let count = u16::try_from(digits.len()).unwrap();
        let header = [count, weight.cast_unsigned(), sign, 0];
        header.iter().chain(digits).flat_map(|part| part.to_be_bytes()).collect()
    }

    #[test]
    fn numbers_come_out_to_the_last_digit() {
        let cases = [
            (encoded(0, 0, &[]), 2, 0),
            (encoded(0, 0, &[1]), 0, 1),
            (encoded(0, 0, &[1]), 2, 100),
            // 12345.67
            (encoded(1, 0, &[1, 2345, 6700]), 2, 1_234_567),
            (encoded(1, NEGATIVE, &[1, 2345, 6700]), 2, -1_234_567),
            // 0.05
            (encoded(-1, 0, &[500]), 2, 5),
            // 1000000000000 = 1 * 10000^3
            (encoded(3, 0, &[1]), 0, 1_000_000_000_000),
            // 99999999999999999999999999999999999999 (38 nines)
            (encoded(9, 0, &[99, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999]), 0, 10_i128.pow(38) - 1),
        ];
        for (bytes, scale, expected) in cases {
            assert_eq!(decode(&bytes, scale), Ok(expected));
        }
    }

    #[test]
    fn what_is_no_number_is_told_apart_from_what_is_no_numeric() {
        assert_eq!(decode(&encoded(0, NAN, &[]), 2), Err(Fault::NoCounterpart));
        assert_eq!(decode(&encoded(0, INFINITY, &[]), 2), Err(Fault::NoCounterpart));
        assert_eq!(decode(&encoded(0, 7, &[]), 2), Err(Fault::Malformed));
        assert_eq!(decode(&encoded(0, 0, &[10_000]), 2), Err(Fault::Malformed));
        assert_eq!(decode(&encoded(-1, 0, &[5]), 2), Err(Fault::Malformed), "0.0005 with two places");
        assert_eq!(decode(&encoded(30, 0, &[1]), 2), Err(Fault::Malformed));
        assert_eq!(decode(&[0, 1, 0, 0], 2), Err(Fault::Malformed));
    }
}
