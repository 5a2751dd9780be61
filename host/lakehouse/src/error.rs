//! Errors of the crates underneath, in the words of the contract.
