//! The one place where an error of the crate becomes a Python exception.

use crate::cache::Check;
use crate::error::{Error, Result};
use pyo3::exceptions::{PyKeyboardInterrupt, PyOSError};
use pyo3::prelude::*;
use std::sync::{Mutex, PoisonError};

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        let class = match error {
            Error::Input(_) => "InputError",
            Error::CacheNotFound(_) => "CacheNotFoundError",
            Error::CacheFormat { .. } => "CacheFormatError",
            Error::CacheCorrupt { .. } => "CacheCorruptError",
            Error::CacheBusy { .. } => "CacheError",
            Error::Interrupted => return PyKeyboardInterrupt::new_err(()),
            Error::Io { path, source } => {
                // Three arguments make Python choose the subclass that belongs to the number.
                return match source.raw_os_error() {
                    Some(errno) => {
                        let text = source.to_string();
                        let text = text.split(" (os error").next().unwrap_or_default().to_owned();
                        PyOSError::new_err((errno, text, path))
                    }
                    None => PyOSError::new_err(message),
                };
            }
        };
        Python::attach(|py| {
            let made = py.import("uwe.errors").and_then(|m| m.getattr(class)?.call1((message,)));
            made.map_or_else(|error| error, PyErr::from_value)
        })
    }
}

/// Runs long work with the interpreter released; a signal's exception (Ctrl-C) ends it.
pub(super) fn interruptible<T: Send>(
    py: Python<'_>,
    work: impl FnOnce(Check) -> Result<T> + Send,
) -> PyResult<T> {
    let raised = Mutex::new(None);
    let check = || {
        Python::attach(|py| {
            py.check_signals().map_err(|error| {
                *raised.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Error::Interrupted
            })
        })
    };
    py.detach(|| work(&check)).map_err(|error| {
        let raised = raised.lock().unwrap_or_else(PoisonError::into_inner).take();
        raised.unwrap_or_else(|| error.into())
    })
}
