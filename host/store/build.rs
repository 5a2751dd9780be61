//! A new migration is embedded at the next build: `sqlx::migrate!` alone only notices changes of files it knows.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
