//! The inference service's checks of input, which need nothing but Python itself. What needs a model is tested with the
//! whole journey.

use std::process::Command;

#[test]
fn a_request_is_checked_against_the_models_columns_in_words() {
    let output = Command::new("python3")
        .args(["-m", "unittest", "discover", "--start-directory", "tests/service"])
        .env("PYTHONPATH", "src/service")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("python3 runs: the journey needs it too");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
