//! Models as supervised HTTP services on this machine.
