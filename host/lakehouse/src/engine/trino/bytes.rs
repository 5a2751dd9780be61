//! Functions of VARBINARY: texts of bytes, and hashes.

use std::hash::Hasher;
use std::sync::Arc;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, BinaryArray, Int64Array, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType::{self, Binary, Int64, Utf8};
use datafusion::common::{Result, exec_err, plan_err};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use twox_hash::XxHash64;

use crate::engine::dialect::Functions;
use crate::engine::functions::Kind::{Any, Text};
use crate::engine::functions::Returns::{Always, By};
use crate::engine::functions::{Function, Rows, type_word};

/// Java's decoder takes text with or without its padding.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// The result's type by the arguments'.
type Returning = fn(&[DataType]) -> Result<DataType>;

/// Registers the functions.
pub(super) fn register(all: &mut Functions) {
    let of_bytes: [(&'static str, Returning, Rows); 11] = [
        ("to_hex", text_of_bytes, to_hex),
        ("from_utf8", text_of_bytes, |arguments, _| {
            texts(&arguments[0], |bytes| String::from_utf8_lossy(bytes).into())
        }),
        ("to_base64", text_of_bytes, |arguments, _| texts(&arguments[0], |bytes| BASE64.encode(bytes))),
        ("to_base64url", text_of_bytes, |arguments, _| texts(&arguments[0], |bytes| BASE64_URL.encode(bytes))),
        ("md5", bytes_of_bytes, |arguments, _| hashes(&arguments[0], |bytes| Md5::digest(bytes).to_vec())),
        ("sha1", bytes_of_bytes, |arguments, _| hashes(&arguments[0], |bytes| Sha1::digest(bytes).to_vec())),
        ("sha256", bytes_of_bytes, |arguments, _| hashes(&arguments[0], |bytes| Sha256::digest(bytes).to_vec())),
        ("sha512", bytes_of_bytes, |arguments, _| hashes(&arguments[0], |bytes| Sha512::digest(bytes).to_vec())),
        ("xxhash64", bytes_of_bytes, xxhash64),
        ("crc32", whole_of_bytes, crc32),
        ("from_big_endian_64", whole_of_bytes, of_big_endian),
    ];
    for (name, returns, rows) in of_bytes {
        all.scalar(&[name], &Function::new(name, &[Any], By(returns), rows).build());
    }
    let of_text: [(&'static str, Rows); 4] = [
        ("to_utf8", to_utf8),
        ("from_hex", of_hex),
        ("from_base64", |arguments, _| of_base64(&arguments[0], &BASE64)),
        ("from_base64url", |arguments, _| of_base64(&arguments[0], &BASE64_URL)),
    ];
    for (name, rows) in of_text {
        all.scalar(&[name], &Function::new(name, &[Text], Always(Binary), rows).build());
    }
}

fn expect(types: &[DataType]) -> Result<()> {
    match types.first() {
        Some(Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) | DataType::Null) => {
            Ok(())
        }
        Some(other) => plan_err!("expected VARBINARY, not {}: write to_utf8(…) around text", type_word(other)),
        None => plan_err!("expected VARBINARY"),
    }
}

fn text_of_bytes(types: &[DataType]) -> Result<DataType> {
    expect(types).map(|()| Utf8)
}

fn bytes_of_bytes(types: &[DataType]) -> Result<DataType> {
    expect(types).map(|()| Binary)
}

fn whole_of_bytes(types: &[DataType]) -> Result<DataType> {
    expect(types).map(|()| Int64)
}

fn bytes(array: &ArrayRef) -> Result<BinaryArray> {
    Ok(cast(array, &Binary)?.as_binary::<i32>().clone())
}

fn texts(array: &ArrayRef, text: impl Fn(&[u8]) -> String) -> Result<ArrayRef> {
    let texts: StringArray = bytes(array)?.iter().map(|bytes| bytes.map(&text)).collect();
    Ok(Arc::new(texts))
}

fn hashes(array: &ArrayRef, hash: impl Fn(&[u8]) -> Vec<u8>) -> Result<ArrayRef> {
    let hashes: BinaryArray = bytes(array)?.iter().map(|bytes| bytes.map(&hash)).collect();
    Ok(Arc::new(hashes))
}

fn to_hex(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    texts(&arguments[0], |bytes| bytes.iter().map(|byte| format!("{byte:02X}")).collect())
}

fn xxhash64(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    hashes(&arguments[0], |bytes| {
        let mut hasher = XxHash64::with_seed(0);
        hasher.write(bytes);
        hasher.finish().to_be_bytes().to_vec()
    })
}

fn crc32(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let sums: Int64Array =
        bytes(&arguments[0])?.iter().map(|bytes| bytes.map(|bytes| i64::from(crc32fast::hash(bytes)))).collect();
    Ok(Arc::new(sums))
}

fn of_big_endian(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let mut numbers = Vec::with_capacity(arguments[0].len());
    for bytes in &bytes(&arguments[0])? {
        numbers.push(match bytes.map(<[u8; 8]>::try_from) {
            Some(Ok(bytes)) => Some(i64::from_be_bytes(bytes)),
            Some(Err(_)) => return exec_err!("from_big_endian_64 takes 8 bytes"),
            None => None,
        });
    }
    Ok(Arc::new(Int64Array::from(numbers)))
}

fn to_utf8(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    Ok(cast(&arguments[0], &Binary)?)
}

/// Each text as bytes; an error names what is wrong with it.
fn read(array: &ArrayRef, of: impl Fn(&str) -> Option<Vec<u8>>, what: &str) -> Result<ArrayRef> {
    let mut found = Vec::with_capacity(array.len());
    for text in array.as_string::<i32>() {
        found.push(match text.map(|text| (text, of(text))) {
            Some((text, None)) => return exec_err!("the text '{text}' is no {what}"),
            Some((_, bytes)) => bytes,
            None => None,
        });
    }
    Ok(Arc::new(found.iter().map(Option::as_deref).collect::<BinaryArray>()))
}

fn of_hex(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let of = |text: &str| -> Option<Vec<u8>> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
        rest.is_empty().then(|| bytes.collect()).flatten()
    };
    read(&arguments[0], of, "text of two hexadecimal digits for each byte")
}

fn of_base64(array: &ArrayRef, engine: &GeneralPurpose) -> Result<ArrayRef> {
    read(array, |text| engine.decode(text).ok(), "base64")
}
