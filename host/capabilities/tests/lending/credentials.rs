use asgard_contract::Error;

use crate::host::TestHost;

#[tokio::test]
async fn proofs_are_made_for_references_only_and_within_bounds() {
    let passwords = TestHost::new("").lent().credentials.unwrap();
    let proof = passwords.scram_sha_256("secret://password", b"salt", 4096, b"message").await.unwrap();
    assert_eq!((proof.client_proof.len(), proof.server_signature.len()), (32, 32));
    assert!(passwords.postgres_md5("secret://password", "ada", &[1, 2, 3, 4]).await.unwrap().starts_with("md5"));

    for iterations in [1, 4095, 10_000_001] {
        let error = passwords.scram_sha_256("secret://password", b"salt", iterations, b"message").await.unwrap_err();
        assert!(matches!(error, Error::InvalidInput { .. }), "{iterations}: {error}");
    }
    let error = passwords.postgres_md5("hunter2", "ada", &[]).await.unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
    let error = passwords.postgres_md5("secret://other", "ada", &[]).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }));
}

#[tokio::test]
async fn a_secret_is_revealed_only_by_grant() {
    let granted = TestHost::new("silver.grants.reveal_secrets = true").lent().credentials.unwrap();
    assert_eq!(granted.reveal("secret://password").await.unwrap(), "pencil");
    let denied = TestHost::new("").lent().credentials.unwrap().reveal("secret://password").await.unwrap_err();
    assert!(matches!(denied, Error::Forbidden { .. }));
    assert!(denied.to_string().contains("`silver.grants.reveal_secrets` of environment `test`"), "{denied}");
}
