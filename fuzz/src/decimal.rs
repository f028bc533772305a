//! Decimal numbers, read by moving their point through a string of digits.

/// `text` times ten to the `unit`, if it is digits with or without a point and an exponent,
/// and what comes out is whole and fits.
pub(crate) fn scaled(text: &str, unit: i128) -> Option<u64> {
    let (digits, point) = leading(text, unit)?;
    let digits = digits.trim_end_matches('0');
    if digits.is_empty() {
        return Some(0);
    }
    // Whole, and no longer than `u64::MAX` is.
    if point < digits.len() as i128 || point > 20 {
        return None;
    }
    let whole: u128 = format!("{digits:0<width$}", width = point as usize)
        .parse()
        .expect("20 digits");
    u64::try_from(whole).ok()
}

/// The same, rounded: up if the first digit that is lost is a five or more, and what is above
/// zero to no less than one.
pub(crate) fn nearest(text: &str, unit: i128) -> Option<u64> {
    let (digits, point) = leading(text, unit)?;
    if digits.is_empty() {
        return Some(0);
    }
    if point > 20 {
        return None;
    }
    let digit = |place: i128| {
        let place = usize::try_from(place).ok();
        let digit = place.and_then(|place| digits.chars().nth(place)?.to_digit(10));
        u128::from(digit.unwrap_or(0))
    };
    let whole = (0..point).fold(0, |whole, place| 10 * whole + digit(place));
    let up = digit(point) >= 5;
    u64::try_from((whole + u128::from(up)).max(1)).ok()
}

/// `text` times ten to the `unit`, as 0.DIGITS times ten to a power. The first digit is no zero,
/// and zero has none.
fn leading(text: &str, unit: i128) -> Option<(String, i128)> {
    let (digits, point) = split(text)?;
    let zeros = digits.len() - digits.trim_start_matches('0').len();
    Some((digits[zeros..].to_owned(), point + unit - zeros as i128))
}

/// The digits of a number, and how many of them stand before its point once its exponent has
/// moved it.
fn split(text: &str) -> Option<(String, i128)> {
    let mut rest = text.chars().peekable();
    let mut run = || {
        let mut digits = String::new();
        while let Some(digit) = rest.next_if(char::is_ascii_digit) {
            digits.push(digit);
        }
        (!digits.is_empty()).then_some((digits, rest.next()))
    };
    let (mut digits, mut next) = run()?;
    let whole = digits.len() as i128;
    if next == Some('.') {
        let (fraction, after) = run()?;
        digits.push_str(&fraction);
        next = after;
    }
    let exponent = match next {
        None => 0,
        Some('e' | 'E') => exponent(&text[text.find(['e', 'E'])? + 1..])?,
        Some(_) => return None,
    };
    Some((digits, whole + exponent))
}

/// Past any that a text has digits to make up for, it is one of those.
fn exponent(text: &str) -> Option<i128> {
    const FAR: i128 = 1 << 100;
    let (digits, sign) = match text.strip_prefix('-') {
        Some(digits) => (digits, -1),
        None => (text.strip_prefix('+').unwrap_or(text), 1),
    };
    if digits.is_empty() || digits.contains(|digit: char| !digit.is_ascii_digit()) {
        return None;
    }
    Some(sign * digits.parse().unwrap_or(FAR).min(FAR))
}

/// The nano-dollars of an amount: a dollar sign or none, no exponent, and no decimal beyond the
/// ninth but zeros.
pub(crate) fn nanos(text: &str) -> Option<u64> {
    let number = text.strip_prefix('$').unwrap_or(text);
    if number.contains(['e', 'E']) {
        return None;
    }
    scaled(number, 9)
}
