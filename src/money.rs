//! Dollars in fixed point: exact sums, and no `f64` where budgets are compared.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use crate::decimal::{self, Flaw, Quoted};

const NANOS_PER_USD: u64 = 1_000_000_000;
const DECIMALS: i64 = 9;

/// An amount of dollars, never negative, exact to the nano-dollar.
///
/// It is a count of nano-dollars: 1,000,000,000 are a dollar. Micro-dollars would be too coarse, because many
/// models cost less than one of them per token. The most that fits is [`Usd::MAX`], a little over 18.4 billion dollars.
///
/// Amounts are read from text and printed in dollars, exactly: `"0.05"`, `"$12"`, `"1781.8025385"`. With the
/// feature `serde` an amount is a string of the same form; a number is refused, because most readers of numbers
/// go through `f64`.
///
/// # Examples
///
/// ```
/// use token_budget_pool::Usd;
///
/// let dime: Usd = "0.10".parse()?;
/// let sum = dime.saturating_mul(3);
/// assert_eq!(sum, "$0.3".parse()?);
/// assert_eq!(sum.to_string(), "0.3");
/// assert!(0.1 + 0.1 + 0.1 > 0.3);
/// # Ok::<(), token_budget_pool::ParseUsdError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Usd(u64);

impl Usd {
    /// No dollars.
    pub const ZERO: Usd = Usd(0);

    /// The most that fits: 18,446,744,073.709551615 dollars.
    pub const MAX: Usd = Usd(u64::MAX);

    /// This many dollars.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::Usd;
    ///
    /// const BUDGET: Usd = Usd::dollars(25);
    /// assert_eq!(BUDGET, "25".parse()?);
    /// # Ok::<(), token_budget_pool::ParseUsdError>(())
    /// ```
    pub const fn dollars(dollars: u32) -> Usd {
        // Any u32 fits: four billion dollars.
        Usd(dollars as u64 * NANOS_PER_USD)
    }

    /// This many cents (hundredths of a dollar).
    pub const fn cents(cents: u32) -> Usd {
        Usd(cents as u64 * (NANOS_PER_USD / 100))
    }

    /// This many micro-dollars (millionths of a dollar), or `None` if they are more than [`Usd::MAX`].
    pub const fn from_micros(micros: u64) -> Option<Usd> {
        Usd(micros).checked_mul(1_000)
    }

    /// This many nano-dollars (thousandths of a micro-dollar). Any count fits.
    pub const fn from_nanos(nanos: u64) -> Usd {
        Usd(nanos)
    }

    /// The amount in nano-dollars.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The nano-dollar nearest to `dollars`; half a nano-dollar counts as a whole one, and so does anything
    /// smaller that is above zero, because what is not free must not become free. `-0.0` is zero.
    ///
    /// For amounts that exist as text, parsing the text is exact and this is not.
    ///
    /// # Errors
    ///
    /// [`InvalidUsd`] if `dollars` is NaN, infinite, below zero, or more than [`Usd::MAX`].
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::Usd;
    ///
    /// assert_eq!(Usd::from_f64(0.1 + 0.2), Ok(Usd::from_nanos(300_000_000)));
    /// assert_eq!(Usd::from_f64(1e-30), Ok(Usd::from_nanos(1)));
    /// assert!(Usd::from_f64(f64::NAN).is_err());
    /// ```
    #[inline]
    pub fn from_f64(dollars: f64) -> Result<Usd, InvalidUsd> {
        match Dollars::nearest(dollars) {
            Dollars::Fits(amount) => Ok(amount),
            Dollars::TooLarge | Dollars::Invalid => Err(InvalidUsd(dollars)),
        }
    }

    /// The amount in dollars, for display and statistics: the nearest `f64`, or, above 2^53 nano-dollars (about
    /// nine million dollars), one within a rounding of it.
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / NANOS_PER_USD as f64
    }

    /// The sum, or `None` if it is more than [`Usd::MAX`].
    #[must_use]
    pub const fn checked_add(self, other: Usd) -> Option<Usd> {
        match self.0.checked_add(other.0) {
            Some(nanos) => Some(Usd(nanos)),
            None => None,
        }
    }

    /// The difference, or `None` if `other` is the larger.
    #[must_use]
    pub const fn checked_sub(self, other: Usd) -> Option<Usd> {
        match self.0.checked_sub(other.0) {
            Some(nanos) => Some(Usd(nanos)),
            None => None,
        }
    }

    /// The amount `times` over, or `None` if that is more than [`Usd::MAX`].
    #[must_use]
    pub const fn checked_mul(self, times: u64) -> Option<Usd> {
        match self.0.checked_mul(times) {
            Some(nanos) => Some(Usd(nanos)),
            None => None,
        }
    }

    /// The sum, or [`Usd::MAX`] if it is more than that.
    #[must_use]
    pub const fn saturating_add(self, other: Usd) -> Usd {
        Usd(self.0.saturating_add(other.0))
    }

    /// The difference, or zero if `other` is the larger.
    #[must_use]
    pub const fn saturating_sub(self, other: Usd) -> Usd {
        Usd(self.0.saturating_sub(other.0))
    }

    /// The amount `times` over, or [`Usd::MAX`] if that is more.
    #[must_use]
    pub const fn saturating_mul(self, times: u64) -> Usd {
        Usd(self.0.saturating_mul(times))
    }

    /// So many hundredths of the amount, rounded down to a nano-dollar; [`Usd::MAX`] if that is more.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::Usd;
    ///
    /// assert_eq!(Usd::dollars(25).percent(80), Usd::dollars(20));
    /// ```
    #[must_use]
    pub const fn percent(self, percent: u32) -> Usd {
        Usd(percent_of(self.0, percent))
    }

    /// The sum of all of them, or `None` if it is more than [`Usd::MAX`].
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::Usd;
    ///
    /// let sum = Usd::checked_sum([Usd::cents(5), Usd::cents(10)]);
    /// assert_eq!(sum, Some(Usd::cents(15)));
    /// assert_eq!(Usd::checked_sum([Usd::MAX, Usd::cents(1)]), None);
    /// ```
    #[must_use]
    pub fn checked_sum(amounts: impl IntoIterator<Item = Usd>) -> Option<Usd> {
        amounts.into_iter().try_fold(Usd::ZERO, Usd::checked_add)
    }

    /// The sum of all of them, or [`Usd::MAX`] if it is more than that.
    #[must_use]
    pub fn saturating_sum(amounts: impl IntoIterator<Item = Usd>) -> Usd {
        amounts.into_iter().fold(Usd::ZERO, Usd::saturating_add)
    }
}

/// So many hundredths of a count, rounded down; `u64::MAX` if that is more.
pub(crate) const fn percent_of(count: u64, percent: u32) -> u64 {
    let part = count as u128 * percent as u128 / 100;
    if part > u64::MAX as u128 {
        u64::MAX
    } else {
        part as u64
    }
}

/// An `f64` of dollars, read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dollars {
    Fits(Usd),
    /// Finite, and more than [`Usd::MAX`].
    TooLarge,
    /// NaN, infinite, or below zero.
    Invalid,
}

impl Dollars {
    /// See [`Usd::from_f64`], which is this with an error type.
    #[inline]
    pub(crate) fn nearest(dollars: f64) -> Dollars {
        // From here up, the numbers that an f64 can hold are the whole ones, up to twice as much.
        const WHOLE: f64 = (1u64 << 52) as f64;

        // The product rounds once, which turns the double nearest to 1.5e-9 back into the half that was written.
        let nanos = dollars * NANOS_PER_USD as f64;
        if !(0.0..WHOLE).contains(&nanos) {
            return Dollars::out_of_the_ordinary(dollars, nanos);
        }
        // The sum rounds to a whole number, and its low bits are that number: two instructions, where a cast takes
        // several and `f64::round` a call. Of two that are equally near, the sum takes the even one.
        let sum = nanos + WHOLE;
        let even = sum.to_bits() - WHOLE.to_bits();
        // Exact, both subtractions.
        let half_lost = nanos - (sum - WHOLE) == 0.5;
        let rounded = even + u64::from(half_lost);
        Dollars::Fits(Usd(rounded.max(u64::from(dollars > 0.0))))
    }

    #[cold]
    #[inline(never)]
    fn out_of_the_ordinary(dollars: f64, nanos: f64) -> Dollars {
        const U64_LIMIT: f64 = (1u128 << 64) as f64;

        // The sign and finiteness are those of the dollars: a finite amount may have a product that is not.
        if !dollars.is_finite() || dollars < 0.0 {
            Dollars::Invalid
        } else if nanos < U64_LIMIT {
            // From 2^52 up every f64 is whole.
            Dollars::Fits(Usd(nanos as u64))
        } else {
            Dollars::TooLarge
        }
    }
}

/// In dollars, with as many decimals as the amount has and no more: `5`, `0.05`, `1781.8025385`. Width, fill and
/// alignment are honoured; a precision is not, so that no digit is ever lost.
impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / NANOS_PER_USD, self.0 % NANOS_PER_USD);
        let text = format!("{whole}.{fraction:09}");
        f.pad_integral(true, "", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl fmt::Debug for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Usd(${self})")
    }
}

/// Reads dollars: an optional `$`, digits, and optionally a point and more digits. There is no sign, no
/// exponent, no space and no underscore. A tenth decimal other than zero is an error, not a rounding.
impl FromStr for Usd {
    type Err = ParseUsdError;

    fn from_str(text: &str) -> Result<Usd, ParseUsdError> {
        parse(text).map_err(|flaw| ParseUsdError {
            text: text.into(),
            flaw,
        })
    }
}

fn parse(text: &str) -> Result<Usd, Flaw> {
    let number = text.strip_prefix('$').unwrap_or(text);
    if number.contains(['e', 'E']) {
        return Err(Flaw::Syntax);
    }
    decimal::exact(number, DECIMALS).map(Usd)
}

/// An `f64` that is not an amount of dollars; see [`Usd::from_f64`].
///
/// Two of them are equal as their values are, so the one of a NaN equals nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InvalidUsd(f64);

impl InvalidUsd {
    /// The value that was refused, in dollars.
    pub const fn value(&self) -> f64 {
        self.0
    }
}

impl fmt::Display for InvalidUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.0;
        if value.is_nan() {
            write!(f, "NaN is not an amount of dollars")
        } else if value.is_infinite() {
            write!(f, "{value:?} is not an amount of dollars: infinite")
        } else if value < 0.0 {
            write!(f, "{value:?} is not an amount of dollars: negative")
        } else {
            let most = Usd::MAX;
            write!(f, "{value:?} dollars are more than fit: the most is {most}")
        }
    }
}

impl Error for InvalidUsd {}

/// A text that is not an amount of dollars; [its `FromStr`](Usd#impl-FromStr-for-Usd) says what is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseUsdError {
    text: Box<str>,
    flaw: Flaw,
}

impl fmt::Display for ParseUsdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = Quoted(&self.text);
        match self.flaw {
            Flaw::Syntax => write!(f, "{text} is not an amount of dollars such as 12 or 0.05"),
            Flaw::TooPrecise => write!(f, "{text} has more than {DECIMALS} decimals"),
            Flaw::TooLarge => write!(
                f,
                "{text} dollars are more than fit: the most is {}",
                Usd::MAX
            ),
        }
    }
}

impl Error for ParseUsdError {}

#[cfg(feature = "serde")]
mod text {
    use std::fmt;

    use serde::de::{Deserialize, Deserializer, Error, Visitor};
    use serde::ser::{Serialize, Serializer};

    use super::Usd;

    impl Serialize for Usd {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(self)
        }
    }

    impl<'de> Deserialize<'de> for Usd {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Usd, D::Error> {
            deserializer.deserialize_str(Text)
        }
    }

    struct Text;

    impl Visitor<'_> for Text {
        type Value = Usd;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("dollars in a string, such as \"0.05\"")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Usd, E> {
            text.parse().map_err(E::custom)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nanos(dollars: f64) -> Option<u64> {
        Usd::from_f64(dollars).ok().map(Usd::as_nanos)
    }

    /// `x` to the nearest whole number, half away from zero, on the bits of `x` and in integers alone.
    fn nearest_whole(x: f64) -> u128 {
        let bits = x.to_bits();
        let exponent = (bits >> 52) as i32 - 1075;
        let mantissa = u128::from(bits & ((1 << 52) - 1) | 1 << 52);
        match exponent {
            0.. => mantissa << exponent,
            -60..=-1 => (mantissa + (1 << (-exponent - 1))) >> -exponent,
            _ => 0,
        }
    }

    #[test]
    fn dollars_become_the_nearest_nano_dollar() {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        for _ in 0..200_000 {
            // xorshift64: the low bits make the mantissa, the high ones an exponent from 2^-70 to 2^33.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let exponent = 1023 - 70 + (state >> 52) % 104;
            let dollars = f64::from_bits(exponent << 52 | state & ((1 << 52) - 1));
            let expected = u64::try_from(nearest_whole(dollars * 1e9)).ok();
            assert_eq!(nanos(dollars), expected.map(|n| n.max(1)), "{dollars:?}");
        }
    }

    #[test]
    fn a_written_half_goes_up() {
        for (dollars, expected) in [
            (0.5e-9, 1),
            (1.5e-9, 2),
            (2.5e-9, 3),
            (0.1234567885, 123_456_789),
        ] {
            assert_eq!(nanos(dollars), Some(expected), "{dollars:?}");
        }
    }

    #[test]
    fn a_large_odd_count_stays_what_it_is() {
        assert_eq!(nanos(4503599.627370497), Some((1 << 52) + 1));
    }

    #[test]
    fn a_cost_above_zero_never_becomes_zero() {
        for dollars in [5e-324, f64::MIN_POSITIVE, 1e-10, 4.9e-10] {
            assert_eq!(nanos(dollars), Some(1), "{dollars:?}");
        }
        assert_eq!(nanos(0.0), Some(0));
        assert_eq!(nanos(-0.0), Some(0));
    }

    #[test]
    fn what_fits_is_read_and_what_does_not_is_refused() {
        const LIMIT: f64 = 18446744073.709552;
        let below = f64::from_bits(LIMIT.to_bits() - 1);
        assert_eq!(LIMIT * 1e9, 2f64.powi(64));
        assert_eq!(nanos(LIMIT / 2.0), Some(1 << 63));
        assert_eq!(nanos(below), Some(u64::MAX - 2047));
        for dollars in [LIMIT, 1e20, f64::MAX] {
            assert_eq!(Dollars::nearest(dollars), Dollars::TooLarge, "{dollars:?}");
            assert_eq!(Usd::from_f64(dollars), Err(InvalidUsd(dollars)));
        }
        let infinite = [f64::INFINITY, f64::NEG_INFINITY];
        for dollars in [f64::NAN, -5e-324, -0.5, f64::MIN]
            .into_iter()
            .chain(infinite)
        {
            assert_eq!(Dollars::nearest(dollars), Dollars::Invalid, "{dollars:?}");
            let refused = Usd::from_f64(dollars).unwrap_err();
            assert_eq!(refused.value().to_bits(), dollars.to_bits());
        }
    }

    #[test]
    fn an_error_says_what_is_wrong_with_which_value() {
        let message = |dollars| InvalidUsd(dollars).to_string();
        let not = "is not an amount of dollars";
        let most = "dollars are more than fit: the most is 18446744073.709551615";
        assert_eq!(message(f64::NAN), format!("NaN {not}"));
        assert_eq!(message(f64::INFINITY), format!("inf {not}: infinite"));
        assert_eq!(message(-0.5), format!("-0.5 {not}: negative"));
        assert_eq!(message(1e20), format!("1e20 {most}"));

        let message = |text: &str| text.parse::<Usd>().unwrap_err().to_string();
        let not = "is not an amount of dollars such as 12 or 0.05";
        assert_eq!(message("a\n"), format!(r#""a\n" {not}"#));
        assert_eq!(
            message("0.1234567891"),
            r#""0.1234567891" has more than 9 decimals"#
        );
        assert_eq!(message("18446744074"), format!(r#""18446744074" {most}"#));
        let cut = "é".repeat(40);
        assert_eq!(message(&cut), format!(r#""{cut}" {not}"#));
        assert_eq!(message(&"é".repeat(41)), format!(r#""{cut}"... {not}"#));
    }

    #[test]
    fn text_is_read_and_printed_exactly() {
        for (nanos, text) in [
            (0, "0"),
            (1, "0.000000001"),
            (50_000_000, "0.05"),
            (999_999_999, "0.999999999"),
            (1_000_000_000, "1"),
            (10_000_000_000, "10"),
            (1_781_802_538_500, "1781.8025385"),
            (u64::MAX, "18446744073.709551615"),
        ] {
            let amount = Usd::from_nanos(nanos);
            assert_eq!(amount.to_string(), text);
            assert_eq!(text.parse(), Ok(amount));
            assert_eq!(format!("${text}").parse(), Ok(amount));
        }
        for (text, nanos) in [("0.1000000000000", 100_000_000), ("007.50", 7_500_000_000)] {
            assert_eq!(text.parse(), Ok(Usd::from_nanos(nanos)));
        }
    }

    #[test]
    fn text_that_is_no_amount_is_refused_for_its_reason() {
        let flaw = |text: &str| text.parse::<Usd>().unwrap_err().flaw;
        for text in [
            "", "$", "$$1", "1$", ".", ".5", "5.", "+1", "-1", "$-1", "1e3", "1_000", "1,5", " 1",
            "1 ", "1.2.3", "1.+2", "٣", "１", "1.٣", "NaN", "inf",
        ] {
            assert_eq!(flaw(text), Flaw::Syntax, "{text:?}");
        }
        for text in "0.0000000001 0.1234567891 99999999999999999999.1234567891".split(' ') {
            assert_eq!(flaw(text), Flaw::TooPrecise, "{text:?}");
        }
        for text in "18446744073.709551616 18446744074 18446744073709551616".split(' ') {
            assert_eq!(flaw(text), Flaw::TooLarge, "{text:?}");
        }
    }

    #[test]
    fn printing_pads_and_never_cuts() {
        let amount = Usd::from_nanos(1_250_000_000);
        assert_eq!(
            format!("{amount:>7}|{amount:*<7}|{amount:.1}|{amount:2}"),
            "   1.25|1.25***|1.25|1.25"
        );
        assert_eq!(format!("{amount:?}"), "Usd($1.25)");
    }

    #[test]
    fn as_usd_is_the_nearest_double() {
        for text in ["0", "0.05", "0.3", "1781.8025385", "0.000000001"] {
            let amount = text.parse::<Usd>().unwrap();
            assert_eq!(amount.to_f64(), text.parse::<f64>().unwrap());
        }
    }

    #[test]
    fn sums_stop_at_the_ends() {
        const ONE: Usd = Usd::from_nanos(1);
        const { assert!(Usd::MAX.checked_add(ONE).is_none()) };
        const { assert!(Usd::ZERO.checked_sub(ONE).is_none()) };
        const { assert!(Usd::MAX.checked_mul(2).is_none()) };
        assert_eq!(ONE.checked_add(ONE), ONE.checked_mul(2));
        assert_eq!(ONE.checked_sub(ONE), Some(Usd::ZERO));
        assert_eq!(Usd::MAX.saturating_add(ONE), Usd::MAX);
        assert_eq!(Usd::ZERO.saturating_sub(ONE), Usd::ZERO);
        assert_eq!(Usd::MAX.saturating_mul(2), Usd::MAX);
        assert_eq!(Usd::from_micros(3), Some(Usd::from_nanos(3_000)));
        assert_eq!(Usd::from_micros(u64::MAX / 1_000 + 1), None);
    }

    #[cfg(feature = "serde")]
    #[test]
    fn serde_writes_a_string_and_refuses_a_number() {
        let amount = Usd::from_nanos(50_000_000);
        let json = r#""0.05""#;
        assert_eq!(serde_json::to_string(&amount).unwrap(), json);
        assert_eq!(serde_json::from_str::<Usd>(json).unwrap(), amount);

        let refusal = |json| serde_json::from_str::<Usd>(json).unwrap_err().to_string();
        let expected = r#"expected dollars in a string, such as "0.05""#;
        for json in ["0.05", "5", "-5", "null", "[]"] {
            assert!(refusal(json).contains(expected), "{}", refusal(json));
        }
        let text = refusal(r#""-1""#);
        assert!(
            text.starts_with(r#""-1" is not an amount of dollars"#),
            "{text}"
        );
    }
}
