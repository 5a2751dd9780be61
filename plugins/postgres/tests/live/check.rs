//! How the connector gets in, and what it says when it does not.

use asgard_plugin_postgres::inspection::check;
use asgard_sdk::{Error, json};

use crate::errors::{field, words};
use crate::network::Network;
use crate::server::Server;

#[test]
fn every_way_of_proving_a_password_gets_in() {
    let server = Server::start();
    server.execute(
        "postgres",
        "CREATE ROLE modern LOGIN PASSWORD 'm''dern';
         SET password_encryption TO 'md5';
         CREATE ROLE dated LOGIN PASSWORD 'dated';
         CREATE ROLE naked LOGIN PASSWORD 'naked';
         CREATE ROLE trusted LOGIN;",
    );
    server.set_access(
        "host all dated 127.0.0.1/32 md5
         host all naked 127.0.0.1/32 password
         host all trusted 127.0.0.1/32 trust
         host all all 127.0.0.1/32 scram-sha-256",
    );
    for (user, password) in [("modern", "m'dern"), ("dated", "dated"), ("naked", "naked")] {
        let right = json::json!({"username": user, "password": format!("secret://{password}")});
        check(&Network::default(), &server.configuration(right)).unwrap();

        let wrong = json::json!({"username": user, "password": "secret://guess"});
        let error = check(&Network::default(), &server.configuration(wrong)).unwrap_err();
        assert!(matches!(&error, Error::Unauthenticated(text) if text.contains(user)), "{error:?}");

        let none = json::json!({"username": user, "password": null});
        let error = check(&Network::default(), &server.configuration(none)).unwrap_err();
        assert_eq!(field(&error), "config.password");
    }
    let trusted = json::json!({"username": "trusted", "password": null});
    check(&Network::default(), &server.configuration(trusted)).unwrap();
}

#[test]
fn tls_is_used_as_the_mode_says_and_scram_is_bound_to_it() {
    let server = Server::start();
    server.enable_tls();
    server.execute("postgres", "CREATE ROLE careful LOGIN PASSWORD 'careful'");
    server.set_access(
        "hostssl all careful 127.0.0.1/32 scram-sha-256
         host all asgard 127.0.0.1/32 scram-sha-256",
    );
    let mode = |mode: &str| {
        let changes = json::json!({"username": "careful", "password": "secret://careful", "ssl_mode": {"mode": mode}});
        check(&Network::default(), &server.configuration(changes))
    };
    for protected in ["allow", "prefer", "require", "verify-full"] {
        mode(protected).unwrap();
    }
    let error = mode("disable").unwrap_err();
    assert_eq!(field(&error), "config.ssl_mode");
    assert!(words(&error).contains(r#"{"mode": "require"}"#), "{error:?}");
}

#[test]
fn what_is_wrong_is_told_with_its_field() {
    let server = Server::shared();
    let told = |changes| check(&Network::default(), &server.configuration(changes)).unwrap_err();

    let error = told(json::json!({"database": "nowhere"}));
    assert_eq!(field(&error), "config.database");

    let error = told(json::json!({"ssl_mode": {"mode": "require"}}));
    assert_eq!(field(&error), "config.ssl_mode");
    assert!(words(&error).contains(r#"{"mode": "disable"}"#), "{error:?}");

    let error = told(json::json!({"schemas": ["public", "absent"]}));
    assert_eq!(field(&error), "config.schemas");
    assert!(words(&error).contains("`absent`") && words(&error).contains("public"), "{error:?}");

    let error = told(json::json!({"username": "nobody' --"}));
    assert!(matches!(&error, Error::Unauthenticated(text) if text.contains("nobody' --")), "{error:?}");

    check(&Network::default(), &server.configuration(json::json!({"ssl_mode": {"mode": "prefer"}}))).unwrap();
}
