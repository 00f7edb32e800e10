//! Maps the crate's error kinds to the exception classes of `uwe.errors`.

use crate::error::Error;
use pyo3::exceptions::{PyKeyboardInterrupt, PyOSError, PyRuntimeError};
use pyo3::prelude::*;
use std::path::Path;

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        Python::attach(|py| {
            let message = error.to_string();
            match error {
                Error::Input(_) => ours(py, "InputError", message),
                Error::CacheNotFound(_) => ours(py, "CacheNotFoundError", message),
                Error::CacheFormat { .. } => ours(py, "CacheFormatError", message),
                Error::CacheCorrupt { .. } => ours(py, "CacheCorruptError", message),
                Error::CacheBusy { .. } => ours(py, "CacheError", message),
                Error::Io { path, source } => os_error(&path, &source),
                // A signal handler's own exception is already set and takes precedence.
                Error::Interrupted => {
                    PyErr::take(py).unwrap_or_else(|| PyKeyboardInterrupt::new_err(()))
                }
            }
        })
    }
}

/// A class of `uwe.errors`, looked up when it is needed: the module imports this one.
fn ours(py: Python<'_>, class: &str, message: String) -> PyErr {
    let made = py
        .import("uwe.errors")
        .and_then(|errors| errors.getattr(class))
        .and_then(|class| class.call1((message.as_str(),)));
    match made {
        Ok(value) => PyErr::from_value(value),
        Err(_) => PyRuntimeError::new_err(message),
    }
}

/// `OSError` chooses its subclass by the error number and carries the path.
fn os_error(path: &Path, source: &std::io::Error) -> PyErr {
    let path = path.to_string_lossy().into_owned();
    match source.raw_os_error() {
        Some(number) => {
            // Python shows the number itself.
            let text = source.to_string();
            let text = text.split(" (os error").next().unwrap_or_default().to_owned();
            PyOSError::new_err((number, text, path))
        }
        None => PyOSError::new_err(format!("{path}: {source}")),
    }
}
