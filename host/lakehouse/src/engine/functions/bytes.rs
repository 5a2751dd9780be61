//! Functions that take text or binary: parts of them, their length, and the way from one to the other.
//!
//! Text is a sequence of letters (code points), binary one of bytes; each function is written once for both. Where one argument is
//! binary and the first is text, or the other way round, it is taken as the first is; bytes that are no UTF-8 are refused as text.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryBuilder, BooleanArray, Int64Array, StringArray, StringBuilder,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, exec_err, plan_err};

/// A text that is filled up is no longer than this.
const LENGTH_AT_MOST: usize = 1 << 24;

/// The bytes of a row: of a text, in UTF-8.
pub(in crate::engine) fn bytes_at(array: &ArrayRef, row: usize) -> Option<&[u8]> {
    if array.is_null(row) {
        return None;
    }
    match array.data_type() {
        DataType::Binary => Some(array.as_binary::<i32>().value(row)),
        _ => array.as_string_opt::<i32>().map(|texts| texts.value(row).as_bytes()),
    }
}

/// What a sequence is made of.
trait Unit: Copy + PartialEq {
    const FILL: Self;
    fn read(bytes: &[u8]) -> Result<Vec<Self>>;
    fn array(rows: Vec<Option<Vec<Self>>>) -> ArrayRef;
}

impl Unit for char {
    const FILL: Self = ' ';

    fn read(bytes: &[u8]) -> Result<Vec<Self>> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.chars().collect()),
            Err(_) => exec_err!("the binary is no text: its bytes are no UTF-8"),
        }
    }

    fn array(rows: Vec<Option<Vec<Self>>>) -> ArrayRef {
        let texts: StringArray = rows.into_iter().map(|row| row.map(String::from_iter)).collect();
        Arc::new(texts)
    }
}

impl Unit for u8 {
    const FILL: Self = 0;

    fn read(bytes: &[u8]) -> Result<Vec<Self>> {
        Ok(bytes.to_vec())
    }

    fn array(rows: Vec<Option<Vec<Self>>>) -> ArrayRef {
        let mut out = BinaryBuilder::new();
        rows.into_iter().for_each(|row| out.append_option(row));
        Arc::new(out.finish())
    }
}

#[derive(Clone, Copy)]
enum Work {
    FillLeft,
    FillRight,
    First,
    Part,
    Overlay,
}

impl Work {
    fn done<T: Unit>(self, values: &[Vec<T>], numbers: &[i64]) -> Result<Vec<T>> {
        let value = &values[0];
        let number = numbers.first().copied().unwrap_or_default();
        Ok(match self {
            Self::FillLeft | Self::FillRight => {
                let blank = [T::FILL];
                let fill = values.get(1).map_or(&blank[..], Vec::as_slice);
                filled(value, number, fill, matches!(self, Self::FillLeft))?
            }
            Self::First => part(value, 1, number).to_vec(),
            Self::Part => part(value, number, numbers.get(1).copied().unwrap_or(i64::MAX)).to_vec(),
            Self::Overlay => {
                let other = &values[1];
                let length = numbers.get(1).copied().filter(|length| *length >= 0);
                let length = length.unwrap_or_else(|| i64::try_from(other.len()).unwrap_or(i64::MAX));
                let (before, after) =
                    (part(value, 1, number.saturating_sub(1)), part(value, number.saturating_add(length), i64::MAX));
                [before, other, after].concat()
            }
        })
    }
}

/// As SQL counts: from 1, or from -1 at the end; 0 is the first too.
fn part<T>(value: &[T], position: i64, length: i64) -> &[T] {
    let count = i64::try_from(value.len()).unwrap_or(i64::MAX);
    let start = match position {
        0 => 0,
        from if from > 0 => from - 1,
        from => count.saturating_add(from),
    };
    let end = start.saturating_add(length).clamp(0, count);
    let start = start.clamp(0, count);
    if end <= start {
        return &[];
    }
    let (start, end) = (usize::try_from(start).unwrap_or(0), usize::try_from(end).unwrap_or(0));
    &value[start..end]
}

fn filled<T: Unit>(value: &[T], length: i64, fill: &[T], left: bool) -> Result<Vec<T>> {
    let length = usize::try_from(length.max(0)).unwrap_or(usize::MAX);
    if length <= value.len() || fill.is_empty() {
        return Ok(value[..length.min(value.len())].to_vec());
    }
    if length > LENGTH_AT_MOST {
        return exec_err!("a text is filled up to {LENGTH_AT_MOST} letters at most, not to {length}");
    }
    let filling = fill.iter().copied().cycle().take(length - value.len());
    Ok(if left {
        filling.chain(value.iter().copied()).collect()
    } else {
        value.iter().copied().chain(filling).collect()
    })
}

fn each(arguments: &[ArrayRef], to: &DataType, work: Work) -> Result<ArrayRef> {
    match to {
        DataType::Binary => rows::<u8>(arguments, work),
        _ => rows::<char>(arguments, work),
    }
}

fn rows<T: Unit>(arguments: &[ArrayRef], work: Work) -> Result<ArrayRef> {
    let count = arguments.first().map_or(0, Array::len);
    let mut out = Vec::with_capacity(count);
    'row: for row in 0..count {
        let (mut values, mut numbers) = (Vec::new(), Vec::new());
        for argument in arguments {
            if argument.is_null(row) {
                out.push(None);
                continue 'row;
            }
            match argument.as_primitive_opt::<Int64Type>() {
                Some(whole) => numbers.push(whole.value(row)),
                None => values.push(T::read(bytes_at(argument, row).unwrap_or_default())?),
            }
        }
        out.push(Some(work.done(&values, &numbers)?));
    }
    Ok(T::array(out))
}

/// The type of the first argument.
pub(in crate::engine) fn same(types: &[DataType]) -> Result<DataType> {
    types.first().cloned().map_or_else(|| plan_err!("expected text or binary"), Ok)
}

macro_rules! parts {
    ($($name:ident: $work:ident;)*) => {
        $(pub(in crate::engine) fn $name(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
            each(arguments, to, Work::$work)
        })*
    };
}

parts! {
    filled_left: FillLeft;
    filled_right: FillRight;
    first: First;
    part_of: Part;
    overlaid: Overlay;
}

/// One number of each value, in the result's type.
fn counted(argument: &ArrayRef, to: &DataType, count: impl Fn(&[u8]) -> usize) -> Result<ArrayRef> {
    let counts: Int64Array = (0..argument.len())
        .map(|row| bytes_at(argument, row).and_then(|bytes| i64::try_from(count(bytes)).ok()))
        .collect();
    let counts: ArrayRef = Arc::new(counts);
    Ok(cast(&counts, to)?)
}

/// Letters of a text, bytes of a binary.
pub(in crate::engine) fn length(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    match arguments[0].data_type() {
        DataType::Binary => byte_count(arguments, to),
        _ => super::text::length(arguments, to),
    }
}

pub(in crate::engine) fn byte_count(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    counted(&arguments[0], to, <[u8]>::len)
}

pub(in crate::engine) fn bit_count(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    counted(&arguments[0], to, |bytes| bytes.len() * 8)
}

fn compared(arguments: &[ArrayRef], is: impl Fn(&[u8], &[u8]) -> bool) -> ArrayRef {
    let rows = 0..arguments[0].len();
    let values: BooleanArray =
        rows.map(|row| Some(is(bytes_at(&arguments[0], row)?, bytes_at(&arguments[1], row)?))).collect();
    Arc::new(values)
}

pub(in crate::engine) fn contains(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    Ok(compared(arguments, |value, part| part.is_empty() || value.windows(part.len()).any(|window| window == part)))
}

pub(in crate::engine) fn starts_with(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    Ok(compared(arguments, <[u8]>::starts_with))
}

pub(in crate::engine) fn ends_with(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    Ok(compared(arguments, <[u8]>::ends_with))
}

pub(in crate::engine) fn is_utf8(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let rows = 0..arguments[0].len();
    let values: BooleanArray =
        rows.map(|row| bytes_at(&arguments[0], row).map(|bytes| std::str::from_utf8(bytes).is_ok())).collect();
    Ok(Arc::new(values))
}

/// Each value as text, or what is to be in the place of one that is none.
fn texts<'a>(argument: &'a ArrayRef, other: impl Fn(&'a [u8]) -> Result<Option<Cow<'a, str>>>) -> Result<ArrayRef> {
    let mut out = StringBuilder::new();
    for row in 0..argument.len() {
        out.append_option(match bytes_at(argument, row).map(|bytes| (bytes, std::str::from_utf8(bytes))) {
            Some((_, Ok(text))) => Some(Cow::Borrowed(text)),
            Some((bytes, Err(_))) => other(bytes)?,
            None => None,
        });
    }
    Ok(Arc::new(out.finish()))
}

/// With U+FFFD in the place of what is no UTF-8.
pub(in crate::engine) fn mended_utf8(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    texts(&arguments[0], |bytes| Ok(Some(String::from_utf8_lossy(bytes))))
}

pub(in crate::engine) fn checked_utf8(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    texts(&arguments[0], |_| exec_err!("the value is no valid UTF-8: use make_valid_utf8 or try_validate_utf8"))
}

pub(in crate::engine) fn tried_utf8(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    texts(&arguments[0], |_| Ok(None))
}

/// The character sets that Spark takes.
#[derive(Clone, Copy)]
enum Charset {
    Ascii,
    Latin1,
    Utf8,
    /// With a byte order mark.
    Utf16,
    Utf16Big,
    Utf16Little,
    Utf32,
}

impl Charset {
    fn parse(name: &str) -> Result<Self> {
        Ok(match name.to_ascii_uppercase().as_str() {
            "US-ASCII" => Self::Ascii,
            "ISO-8859-1" => Self::Latin1,
            "UTF-8" => Self::Utf8,
            "UTF-16" => Self::Utf16,
            "UTF-16BE" => Self::Utf16Big,
            "UTF-16LE" => Self::Utf16Little,
            "UTF-32" => Self::Utf32,
            _ => {
                return exec_err!(
                    "`{name}` is no character set: expected US-ASCII, ISO-8859-1, UTF-8, UTF-16, UTF-16BE, UTF-16LE or UTF-32"
                );
            }
        })
    }

    /// None: a letter is not in the set.
    fn encoded(self, text: &str) -> Option<Vec<u8>> {
        Some(match self {
            Self::Utf8 => text.as_bytes().to_vec(),
            Self::Ascii => text.is_ascii().then(|| text.as_bytes().to_vec())?,
            Self::Latin1 => text.chars().map(|letter| u8::try_from(u32::from(letter)).ok()).collect::<Option<_>>()?,
            // Java writes the mark of big endian, if there is anything to write.
            Self::Utf16 if text.is_empty() => Vec::new(),
            Self::Utf16 => [0xFE, 0xFF].into_iter().chain(text.encode_utf16().flat_map(u16::to_be_bytes)).collect(),
            Self::Utf16Big => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            Self::Utf16Little => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Self::Utf32 => text.chars().flat_map(|letter| u32::from(letter).to_be_bytes()).collect(),
        })
    }

    /// None: the bytes are no text in this set.
    fn decoded(self, bytes: &[u8]) -> Option<String> {
        match self {
            Self::Utf8 => String::from_utf8(bytes.to_vec()).ok(),
            Self::Ascii => bytes.is_ascii().then(|| bytes.iter().copied().map(char::from).collect()),
            Self::Latin1 => Some(bytes.iter().copied().map(char::from).collect()),
            Self::Utf16 => match bytes {
                [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes),
                [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes),
                _ => utf16(bytes, u16::from_be_bytes),
            },
            Self::Utf16Big => utf16(bytes, u16::from_be_bytes),
            Self::Utf16Little => utf16(bytes, u16::from_le_bytes),
            Self::Utf32 => match bytes {
                [0, 0, 0xFE, 0xFF, rest @ ..] => utf32(rest, u32::from_be_bytes),
                [0xFF, 0xFE, 0, 0, rest @ ..] => utf32(rest, u32::from_le_bytes),
                _ => utf32(bytes, u32::from_be_bytes),
            },
        }
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let (units, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    String::from_utf16(&units.iter().map(|pair| unit(*pair)).collect::<Vec<_>>()).ok()
}

fn utf32(bytes: &[u8], unit: fn([u8; 4]) -> u32) -> Option<String> {
    let (units, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return None;
    }
    units.iter().map(|four| char::from_u32(unit(*four))).collect()
}

/// `encode(text, character set)`.
pub(in crate::engine) fn encoded(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let (texts, names) = (arguments[0].as_string::<i32>(), arguments[1].as_string::<i32>());
    let mut out = BinaryBuilder::new();
    for (text, name) in texts.iter().zip(names) {
        let (Some(text), Some(name)) = (text, name) else {
            out.append_null();
            continue;
        };
        match Charset::parse(name)?.encoded(text) {
            Some(bytes) => out.append_value(bytes),
            None => return exec_err!("a letter of the text is not in {name}"),
        }
    }
    Ok(Arc::new(out.finish()))
}

/// `decode(binary, character set)`.
pub(in crate::engine) fn decoded(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let names = arguments[1].as_string::<i32>();
    let mut out = StringBuilder::new();
    for (row, name) in names.iter().enumerate() {
        let (Some(bytes), Some(name)) = (bytes_at(&arguments[0], row), name) else {
            out.append_null();
            continue;
        };
        match Charset::parse(name)?.decoded(bytes) {
            Some(text) => out.append_value(text),
            None => return exec_err!("the binary is no text in {name}"),
        }
    }
    Ok(Arc::new(out.finish()))
}

/// `to_binary(text[, 'hex' | 'utf-8' | 'base64'])`.
pub(in crate::engine) fn to_binary(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    binaries(arguments, |text, format| match read_binary(text, format)? {
        Some(bytes) => Ok(Some(bytes)),
        None => exec_err!("the text '{text}' is no {format}: use try_to_binary, which gives null"),
    })
}

/// `try_to_binary`: null also for a format that there is not.
pub(in crate::engine) fn tried_binary(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    binaries(arguments, |text, format| Ok(read_binary(text, format).ok().flatten()))
}

fn binaries(arguments: &[ArrayRef], read: impl Fn(&str, &str) -> Result<Option<Vec<u8>>>) -> Result<ArrayRef> {
    let texts = arguments[0].as_string::<i32>();
    let formats = arguments.get(1).map(|formats| formats.as_string::<i32>());
    let mut out = BinaryBuilder::new();
    for (row, text) in texts.iter().enumerate() {
        let format = match formats {
            Some(formats) => formats.is_valid(row).then(|| formats.value(row)),
            None => Some("hex"),
        };
        match (text, format) {
            (Some(text), Some(format)) => out.append_option(read(text, format)?),
            _ => out.append_null(),
        }
    }
    Ok(Arc::new(out.finish()))
}

fn read_binary(text: &str, format: &str) -> Result<Option<Vec<u8>>> {
    match format.to_ascii_lowercase().as_str() {
        "hex" => Ok(from_hex(text)),
        "utf-8" | "utf8" => Ok(Some(text.as_bytes().to_vec())),
        "base64" => Ok(from_base64(text)),
        _ => exec_err!("`{format}` is no format of binary: expected hex, utf-8 or base64"),
    }
}

/// An odd digit is the first byte's second.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let (odd, pairs) = digits.split_at(digits.len() % 2);
    let pairs = pairs.as_chunks::<2>().0;
    Some(odd.iter().copied().chain(pairs.iter().map(|[high, low]| high << 4 | low)).collect())
}

/// White space is passed over; `=` at the end may be left out.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let digits: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
    LENIENT.decode(digits).ok()
}

/// Binary as `'hex'`, `'base64'` or `'utf-8'` write it.
pub(super) fn written(bytes: &[u8], format: &str) -> Result<String> {
    match format.to_ascii_lowercase().as_str() {
        "hex" => Ok(bytes.iter().map(|byte| format!("{byte:02X}")).collect()),
        "base64" => Ok(base64::engine::general_purpose::STANDARD.encode(bytes)),
        "utf-8" | "utf8" => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => exec_err!("the binary is no text in UTF-8"),
        },
        _ => exec_err!("`{format}` is no format of binary: expected hex, utf-8 or base64"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_counted_as_sql_counts() {
        let part = |position, length| String::from_utf8_lossy(part(b"Spark", position, length)).into_owned();
        for (position, length, expected) in [
            (1, 2, "Sp"),
            (0, 2, "Sp"),
            (-3, 2, "ar"),
            (-9, 5, "S"),
            (-9, 3, ""),
            (9, 1, ""),
            (2, -1, ""),
            (2, i64::MAX, "park"),
        ] {
            assert_eq!(part(position, length), expected, "{position} {length}");
        }
    }

    #[test]
    fn texts_in_every_character_set_come_back() {
        for name in ["utf-8", "UTF-16", "utf-16be", "UTF-16LE", "utf-32"] {
            let charset = Charset::parse(name).unwrap();
            assert_eq!(charset.decoded(&charset.encoded("aé😀").unwrap()).as_deref(), Some("aé😀"), "{name}");
        }
        assert_eq!(Charset::Ascii.encoded("é"), None);
        assert_eq!(Charset::Latin1.encoded("é"), Some(vec![0xE9]));
        assert_eq!(Charset::Utf16Big.decoded(&[0]), None);
    }
}
