//! Who asks, by their own account. The daemon keeps the kernel's beside it.

/// The person at the terminal, also behind sudo.
pub fn who() -> String {
    ["SUDO_USER", "USER", "LOGNAME"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| "unknown".into())
}
