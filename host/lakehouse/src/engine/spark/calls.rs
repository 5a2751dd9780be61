//! Calls that Spark writes differently from the functions here: by how many arguments there are, or in words between them.

use asgard_contract::Result;
use sqlparser::ast::{DataType, ExactNumberInfo, Expr, Spanned};

use crate::engine::rewrite::{arguments, call, cast, name_of, rename, text, with_arguments};

/// True: the expression was rewritten, and is done.
pub(super) fn rewritten(expr: &mut Expr) -> Result<bool> {
    match expr {
        Expr::Substring { expr: value, substring_from, substring_for, .. } => {
            let span = value.span();
            let parts = [Some(value), substring_from.as_mut(), substring_for.as_mut()];
            let parts = parts.into_iter().flatten().map(|part| (**part).clone()).collect();
            *expr = call("substring", span, parts);
        }
        Expr::Overlay { expr: value, overlay_what, overlay_from, overlay_for } => {
            let span = value.span();
            let mut parts = vec![(**value).clone(), (**overlay_what).clone(), (**overlay_from).clone()];
            parts.extend(overlay_for.as_ref().map(|length| (**length).clone()));
            *expr = call("overlay", span, parts);
        }
        Expr::Position { expr: part, r#in: value } => {
            *expr = call("locate", part.span(), vec![(**part).clone(), (**value).clone()]);
        }
        Expr::Function(_) => return function(expr),
        _ => return Ok(false),
    }
    Ok(true)
}

fn function(expr: &mut Expr) -> Result<bool> {
    let Expr::Function(function) = expr else { return Ok(false) };
    let name = name_of(function);
    let arguments = arguments(function);
    match (name.as_str(), arguments.as_deref()) {
        ("e", Some([])) => *expr = cast(text(std::f64::consts::E.to_string()), DataType::Double(ExactNumberInfo::None)),
        ("decode", Some([_, _])) => rename(function, "$decode"),
        ("levenshtein", Some([_, _, _])) => rename(function, "$levenshtein"),
        ("regexp_replace", Some([_, _, _, _])) => rename(function, "$regexp_replace"),
        ("rint", Some([value])) => {
            let value = cast(value.clone(), DataType::Double(ExactNumberInfo::None));
            with_arguments(function, vec![value]);
        }
        _ => return Ok(false),
    }
    Ok(true)
}
