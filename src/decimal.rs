//! Decimal numbers in text, read without floating point. Amounts of dollars and prices share this. What
//! else their texts may hold is in `money.rs` and `price.rs`.

use std::fmt;

/// What is wrong with a decimal text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    Syntax,
    TooPrecise,
    TooLarge,
}

/// The number `text` times ten to the power of `unit`, if that is whole and fits.
pub(crate) fn exact(text: &str, unit: i64) -> Result<u64, Flaw> {
    let (mantissa, scale) = read(text, unit)?;
    if scale < 0 {
        // The last digit is not zero, so it would be lost.
        return Err(Flaw::TooPrecise);
    }
    times_power_of_ten(&mantissa, scale)
}

/// The whole number nearest to `text` times ten to the power of `unit`, if that fits. A half counts as
/// a whole one, and so does anything smaller that is above zero.
pub(crate) fn nearest(text: &str, unit: i64) -> Result<u64, Flaw> {
    let (mantissa, scale) = read(text, unit)?;
    if scale >= 0 {
        return times_power_of_ten(&mantissa, scale);
    }
    let lost = usize::try_from(scale.unsigned_abs()).unwrap_or(usize::MAX);
    let (whole, fraction) = mantissa.split_at(mantissa.len().saturating_sub(lost));
    let whole = times_power_of_ten(if whole.is_empty() { "0" } else { whole }, 0)?;
    let up = fraction.as_bytes()[0] >= b'5';
    let rounded = whole.checked_add(up.into()).ok_or(Flaw::TooLarge)?;
    Ok(rounded.max(1))
}

/// Digits that end in no zero, and the power of ten that they count. (Zero is `"0"`.)
fn read(text: &str, unit: i64) -> Result<(String, i64), Flaw> {
    let (number, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if !is_digits(whole) || !is_digits(fraction) || !is_digits(unsigned) {
        return Err(Flaw::Syntax);
    }
    // An exponent beyond i64 is as good as the end of i64: no text is long enough to make up for it.
    let exponent = exponent.parse().unwrap_or(match exponent.as_bytes()[0] {
        b'-' => i64::MIN,
        _ => i64::MAX,
    });

    let digits = [whole, fraction].concat();
    let mantissa = digits.trim_end_matches('0');
    if mantissa.is_empty() {
        return Ok(("0".into(), 0));
    }
    let zeros = (digits.len() - mantissa.len()) as i64;
    let scale = exponent.saturating_add(unit + zeros - fraction.len() as i64);
    Ok((mantissa.into(), scale))
}

fn times_power_of_ten(mantissa: &str, scale: i64) -> Result<u64, Flaw> {
    let power = u32::try_from(scale)
        .ok()
        .and_then(|scale| 10u64.checked_pow(scale));
    // Digits alone fail to parse for one reason.
    let mantissa = mantissa.parse::<u64>().ok();
    match (mantissa, power) {
        (Some(0), _) => Ok(0),
        (Some(mantissa), Some(power)) => mantissa.checked_mul(power).ok_or(Flaw::TooLarge),
        _ => Err(Flaw::TooLarge),
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A text that someone got wrong, for a message: in quotes, escaped, and cut where it would swamp the message.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 40;

        match self.0.char_indices().nth(LONGEST) {
            Some((cut, _)) => write!(f, "{:?}...", &self.0[..cut]),
            None => write!(f, "{:?}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_in_any_spelling_is_one_number() {
        let texts = "0.000003 3e-06 3E-6 0.3e-5 30e-7 0.0000030000000000000000000000 3000000e-12 \
            0003e-0000000000000000000000000006 0.00000000000000000000000000003e+23 \
            300000000000000000000000000000e-35";
        for text in texts.split(' ') {
            assert_eq!(exact(text, 15), Ok(3_000_000_000), "{text}");
            assert_eq!(nearest(text, 15), Ok(3_000_000_000), "{text}");
        }
        let texts = "0 0.0 0e5 0e999999999999999999999 0.000e-999999999999999999999";
        for text in texts.split(' ') {
            assert_eq!(exact(text, 15), Ok(0), "{text}");
            assert_eq!(nearest(text, 15), Ok(0), "{text}");
        }
    }

    #[test]
    fn the_edges_of_what_fits_are_exact() {
        for read in [exact, nearest] {
            assert_eq!(read("18446.744073709551615", 15), Ok(u64::MAX));
            assert_eq!(read("18446744073.709551615", 9), Ok(u64::MAX));
            assert_eq!(read("18446744073709551615e-9", 9), Ok(u64::MAX));
            let texts =
                "18446744073.709551616 18446744073709551616e-9 2e10 1e11 1e20 1e999999999999 \
                1e9223372036854775807 1e99999999999999999999 0.00001e99999999999999999999 \
                1234567890123456789012345678901234567890";
            for text in texts.split(' ') {
                assert_eq!(read(text, 9), Err(Flaw::TooLarge), "{text}");
            }
        }
        assert_eq!(nearest("18446744073.7095516154", 9), Ok(u64::MAX));
        assert_eq!(nearest("18446744073.7095516155", 9), Err(Flaw::TooLarge));
    }

    #[test]
    fn what_is_too_precise_is_refused_or_rounded() {
        assert_eq!(exact("1e-15", 15), Ok(1));
        let texts = "1e-16 1.5e-15 0.1234567890123456 1e-999999999999 1e-9223372036854775808 \
            1e-99999999999999999999 10000e-99999999999999999999";
        for text in texts.split(' ') {
            assert_eq!(exact(text, 15), Err(Flaw::TooPrecise), "{text}");
        }
        for (text, rounded) in [
            ("9.499999999999999e-07", 950_000_000),
            ("9.500000000000001e-07", 950_000_000),
            ("1.4e-15", 1),
            ("1.49999999999999999999999e-15", 1),
            ("1.5e-15", 2),
            ("2.5e-15", 3),
            ("9.5e-15", 10),
            ("0.5e-15", 1),
            ("0.05e-15", 1),
            ("1e-999999999999", 1),
            ("1e-99999999999999999999", 1),
            ("123456e-17", 1_235),
        ] {
            assert_eq!(nearest(text, 15), Ok(rounded), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_plain_decimal_number_is_refused() {
        let texts =
            "|.|.5|5.| 1|1 |e|e5|1e|1e+|1e-|1e--5|1e+-5|1e5.0|1e5e5|.e5|1.e5|1e 5|+1|-1|-0|inf|\
            infinity|NaN|1_000|1,5|$1|0x10|1.2.3|٣|1e٣|1é|0e99999999999999999999x";
        for text in texts.split('|') {
            assert_eq!(exact(text, 15), Err(Flaw::Syntax), "{text:?}");
            assert_eq!(nearest(text, 15), Err(Flaw::Syntax), "{text:?}");
        }
    }
}
