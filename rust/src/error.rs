//! One error type for the crate; each variant maps to one Python exception class.

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

/// What can go wrong. The text says what was expected, what came, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An argument is wrong: its shape, range or content.
    #[error("{0}")]
    Input(String),
    /// There is no target cache at the path.
    #[error(
        "no target cache at {}: expected a folder with a manifest.json; build one with  uwe cache build  or TargetCache.build, or correct the path",
        .0.display()
    )]
    CacheNotFound(PathBuf),
    /// The folder is no target cache, or a newer release wrote it.
    #[error("{}: {message}", .path.display())]
    CacheFormat {
        /// The cache's folder.
        path: PathBuf,
        /// What was expected, what came, what to do.
        message: String,
    },
    /// The files do not hold what the manifest says.
    #[error("{}: {message}", .path.display())]
    CacheCorrupt {
        /// The damaged file.
        path: PathBuf,
        /// What was expected, what came, what to do.
        message: String,
    },
    /// Another process is writing this cache.
    #[error("{}: {message}", .path.display())]
    CacheBusy {
        /// The cache's folder.
        path: PathBuf,
        /// Who holds it and what to do.
        message: String,
    },
    /// The operating system refused; `source` says why.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's own error.
        source: std::io::Error,
    },
    /// The caller asked to stop (Ctrl-C).
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// An [`Error::Input`] from any text.
    pub fn input(message: impl Into<String>) -> Self {
        Self::Input(message.into())
    }

    /// An [`Error::CacheFormat`] from the path and any text.
    pub fn format(path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self::CacheFormat { path: path.into(), message: message.into() }
    }

    /// An [`Error::CacheCorrupt`] from the path and any text.
    pub fn corrupt(path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self::CacheCorrupt { path: path.into(), message: message.into() }
    }

    /// An [`Error::CacheBusy`] from the path and any text.
    pub fn busy(path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self::CacheBusy { path: path.into(), message: message.into() }
    }

    /// Attaches the path to an error of the operating system.
    pub fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io { path, source }
    }
}

/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;

/// Asked between pieces of long work whether to stop; then things stay as they were.
pub type Check<'a> = &'a (dyn Fn() -> bool + Sync);

/// [`Error::Interrupted`] if the caller wants to stop.
pub(crate) fn stop(check: Check) -> Result<()> {
    if check() { Err(Error::Interrupted) } else { Ok(()) }
}
