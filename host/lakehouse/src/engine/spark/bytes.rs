//! Spark's functions of text and binary, ciphers and hashes.

use datafusion::arrow::datatypes::DataType::{self, Binary, Boolean, Int32, Int64, Utf8};

use super::functions::function;
use crate::engine::dialect::Functions;
use crate::engine::functions::Kind::{Any, Text, TextOrBytes, Whole};
use crate::engine::functions::Returns::By;
use crate::engine::functions::{Function, Kind, Returns, Rows, bytes, ciphers, hashes, masks, patterns, text, words};

/// Of text or binary, with a result of the first argument's type.
fn same(name: &'static str, parameters: &'static [Kind], rows: Rows) -> Function {
    Function::new(name, parameters, By(bytes::same), rows).lenient()
}

pub(super) fn register(all: &mut Functions) {
    let text_list = text::text_list();
    for (names, function) in [
        // Text or binary.
        (&["lpad"][..], same("lpad", &[TextOrBytes, Whole, TextOrBytes], bytes::filled_left).optional(1)),
        (&["rpad"], same("rpad", &[TextOrBytes, Whole, TextOrBytes], bytes::filled_right).optional(1)),
        (&["left"], same("left", &[TextOrBytes, Whole], bytes::first)),
        (&["substring", "substr"], same("substring", &[TextOrBytes, Whole, Whole], bytes::part_of).optional(1)),
        (&["overlay"], same("overlay", &[TextOrBytes, TextOrBytes, Whole, Whole], bytes::overlaid).optional(1)),
        (
            &["length", "len", "char_length", "character_length"],
            function("length", &[TextOrBytes], Int32, bytes::length),
        ),
        (&["octet_length"], function("octet_length", &[TextOrBytes], Int32, bytes::byte_count)),
        (&["bit_length"], function("bit_length", &[TextOrBytes], Int32, bytes::bit_count)),
        (&["contains"], function("contains", &[TextOrBytes, TextOrBytes], Boolean, bytes::contains)),
        (&["startswith"], function("startswith", &[TextOrBytes, TextOrBytes], Boolean, bytes::starts_with)),
        (&["endswith"], function("endswith", &[TextOrBytes, TextOrBytes], Boolean, bytes::ends_with)),
        (&["btrim"], function("btrim", &[Text, Text], Utf8, words::trimmed).optional(1)),
        // From one to the other.
        (&["encode"], function("encode", &[Text, Text], Binary, bytes::encoded)),
        (&["$decode"], function("decode", &[TextOrBytes, Text], Utf8, bytes::decoded)),
        (&["to_binary"], function("to_binary", &[Text, Text], Binary, bytes::to_binary).optional(1)),
        (&["try_to_binary"], function("try_to_binary", &[Text, Text], Binary, bytes::tried_binary).optional(1)),
        (&["is_valid_utf8"], function("is_valid_utf8", &[TextOrBytes], Boolean, bytes::is_utf8)),
        (&["make_valid_utf8"], function("make_valid_utf8", &[TextOrBytes], Utf8, bytes::mended_utf8)),
        (&["validate_utf8"], function("validate_utf8", &[TextOrBytes], Utf8, bytes::checked_utf8)),
        (&["try_validate_utf8"], function("try_validate_utf8", &[TextOrBytes], Utf8, bytes::tried_utf8)),
        // Ciphers and hashes.
        (&["aes_encrypt"], function("aes_encrypt", &[TextOrBytes; 6], Binary, ciphers::encrypted).optional(4)),
        (&["aes_decrypt"], function("aes_decrypt", &[TextOrBytes; 5], Binary, ciphers::decrypted).optional(3)),
        (&["try_aes_decrypt"], function("try_aes_decrypt", &[TextOrBytes; 5], Binary, ciphers::tried).optional(3)),
        (&["hash"], Function::new("hash", &[], By(|types| hashes::hashed(types, Int32)), hashes::murmur).rest(Any)),
        (&["xxhash64"], Function::new("xxhash64", &[], By(|types| hashes::hashed(types, Int64)), hashes::xx).rest(Any)),
        // Text.
        (&["mask"], function("mask", &[Text; 5], Utf8, masks::masked).optional(4)),
        (&["soundex"], function("soundex", &[Text], Utf8, words::soundex)),
        (&["quote"], function("quote", &[Text], Utf8, words::quoted)),
        (
            &["sentences"],
            function("sentences", &[Text; 3], DataType::new_list(text_list.clone(), true), words::sentences)
                .optional(2),
        ),
        (&["split_part"], function("split_part", &[Text, Text, Whole], Utf8, words::part)),
        (&["find_in_set"], function("find_in_set", &[Text, Text], Int32, words::place_in_set)),
        (&["locate", "position"], function("locate", &[Text, Text, Whole], Int32, words::located).optional(1)),
        (&["$levenshtein"], function("levenshtein", &[Text, Text, Whole], Int32, words::distance_up_to)),
        (&["collation"], function("collation", &[Text], Utf8, words::collation)),
        // Expressions.
        (
            &["regexp_extract_all"],
            function("regexp_extract_all", &[Text, Text, Whole], text_list.clone(), patterns::extracted_all)
                .optional(1),
        ),
        (&["regexp_instr"], function("regexp_instr", &[Text, Text, Whole], Int32, patterns::match_place).optional(1)),
        (&["regexp_substr"], function("regexp_substr", &[Text, Text], Utf8, patterns::matched_part)),
        (&["$regexp_replace"], function("regexp_replace", &[Text, Text, Text, Whole], Utf8, patterns::replaced_from)),
        (&["split"], function("split", &[Text, Text, Whole], text_list, patterns::split).optional(1)),
        // What is said of a value, or of a statement.
        (&["typeof"], Function::new("typeof", &[Any], Returns::Always(Utf8), words::type_name)),
        (
            &["assert_true"],
            function("assert_true", &[Any, Text], DataType::Null, words::asserted).optional(1).volatile(),
        ),
        (&["raise_error"], function("raise_error", &[Text], DataType::Null, words::raised).volatile()),
    ] {
        all.scalar(names, &function.build());
    }
}
