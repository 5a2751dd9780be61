//! The steps of a pipeline as a graph.

use std::collections::{BTreeMap, BTreeSet};

use asgard_contract::{Error, Result};

use super::StepDefinition;

/// More is a pipeline of pipelines.
const MOST_STEPS: usize = 100;

/// Refuses what is no graph of steps: names twice, needs that are no steps, a step that waits for itself.
///
/// # Errors
/// `invalid-input` with the step's field.
pub(super) fn check(steps: &[StepDefinition]) -> Result<()> {
    if steps.is_empty() || steps.len() > MOST_STEPS {
        return Err(Error::invalid("steps", format!("expected 1 to {MOST_STEPS} steps")));
    }
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, step) in steps.iter().enumerate() {
        crate::names::identifier(&format!("steps[{index}].id"), &step.id)?;
        if places.insert(&step.id, index).is_some() {
            return Err(Error::invalid(format!("steps[{index}].id"), format!("there are two steps `{}`", step.id)));
        }
    }
    for (index, step) in steps.iter().enumerate() {
        for (place, need) in step.needs.iter().enumerate() {
            if !places.contains_key(need.as_str()) {
                let known: Vec<&str> = places.keys().copied().collect();
                return Err(Error::invalid(
                    format!("steps[{index}].needs[{place}]"),
                    format!("there is no step `{need}`: there are {}", known.join(", ")),
                ));
            }
        }
    }
    match circle(steps) {
        None => Ok(()),
        Some(circle) => Err(Error::invalid("steps", format!("steps wait for each other: {}", circle.join(" -> ")))),
    }
}

/// Steps that wait for each other.
fn circle(steps: &[StepDefinition]) -> Option<Vec<&str>> {
    let mut left: BTreeMap<&str, &StepDefinition> = steps.iter().map(|step| (step.id.as_str(), step)).collect();
    loop {
        let free: Vec<&str> = left
            .values()
            .filter(|step| step.needs.iter().all(|need| !left.contains_key(need.as_str())))
            .map(|step| step.id.as_str())
            .collect();
        if free.is_empty() {
            break;
        }
        left.retain(|id, _| !free.contains(id));
    }
    let mut at = *left.keys().next()?;
    let mut way = vec![at];
    let mut seen = BTreeSet::from([at]);
    loop {
        at = left.get(at)?.needs.iter().map(String::as_str).find(|need| left.contains_key(need))?;
        way.push(at);
        if !seen.insert(at) {
            let begin = way.iter().position(|id| *id == at)?;
            return Some(way.split_off(begin));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::StepKind;
    use super::*;

    fn steps(of: &[(&str, &[&str])]) -> Vec<StepDefinition> {
        let step = |(id, needs): &(&str, &[&str])| StepDefinition {
            id: (*id).to_owned(),
            kind: StepKind::Gold,
            needs: needs.iter().map(|need| (*need).to_owned()).collect(),
            with: Value::Null,
        };
        of.iter().map(step).collect()
    }

    #[test]
    fn what_is_no_graph_is_refused_with_its_place() {
        assert!(check(&steps(&[("a", &[]), ("b", &["a"]), ("c", &["a", "b"])])).is_ok());
        for (graph, told) in [
            (steps(&[]), "1 to 100"),
            (steps(&[("a", &[]), ("a", &[])]), "two steps `a`"),
            (steps(&[("a", &["x"])]), "no step `x`: there are a"),
            (steps(&[("a", &["a"])]), "a -> a"),
            (steps(&[("s", &[]), ("a", &["c", "s"]), ("b", &["a"]), ("c", &["b"])]), "a -> c -> b -> a"),
            (steps(&[("not a name", &[])]), "no valid name"),
        ] {
            let error = check(&graph).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
