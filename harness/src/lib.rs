//! kassay.
