//! Which modules of a process are runtimes: the code that notices, raises, waits or calls on, not the code that is wrong.
//! Owns the lists; who is blamed instead is not its business.

/// Runtimes and system libraries. Direct3D and OpenGL are among them: what fails in them is what an application or the maker
/// of the display driver gave them, and one of these is further down the stack.
const RUNTIMES: [&str; 70] = [
    "advapi32.dll",
    "apphelp.dll",
    "bcryptprimitives.dll",
    "cfgmgr32.dll",
    "clr.dll",
    "clrjit.dll",
    "combase.dll",
    "coreclr.dll",
    "crypt32.dll",
    "d3d10.dll",
    "d3d10_1.dll",
    "d3d10core.dll",
    "d3d10level9.dll",
    "d3d10warp.dll",
    "d3d11.dll",
    "d3d11on12.dll",
    "d3d12.dll",
    "d3d12core.dll",
    "d3d8.dll",
    "d3d9.dll",
    "d3d9on12.dll",
    "dbghelp.dll",
    "dcomp.dll",
    "ddraw.dll",
    "dxcore.dll",
    "dxgi.dll",
    "gdi32.dll",
    "gdi32full.dll",
    "glu32.dll",
    "hostfxr.dll",
    "hostpolicy.dll",
    "imm32.dll",
    "kernel32.dll",
    "kernelbase.dll",
    "libc.so.6",
    "libpthread.so.0",
    "libstdc++-6.dll",
    "mscoree.dll",
    "mscoreei.dll",
    "mscorlib.dll",
    "mscorwks.dll",
    "msctf.dll",
    "msvcp140.dll",
    "msvcp_win.dll",
    "msvcrt.dll",
    "mswsock.dll",
    "ntdll.dll",
    "ole32.dll",
    "oleaut32.dll",
    "opengl32.dll",
    "presentationcore.dll",
    "presentationframework.dll",
    "rpcrt4.dll",
    "sechost.dll",
    "shcore.dll",
    "shell32.dll",
    "shlwapi.dll",
    "ucrtbase.dll",
    "ucrtbased.dll",
    "user32.dll",
    "vcruntime140.dll",
    "vcruntime140_1.dll",
    "verifier.dll",
    "werfault.exe",
    "win32u.dll",
    "windowsbase.dll",
    "wow64.dll",
    "wow64cpu.dll",
    "wow64win.dll",
    "ws2_32.dll",
];

/// Runtimes of older compilers carry their version: `msvcr90.dll`, `vcruntime140d.dll`. The libraries of .NET have a name for
/// each part: `System.Private.CoreLib.dll`.
const RUNTIME_PREFIXES: [&str; 5] = ["msvcr", "msvcp", "vcruntime", "api-ms-win-", "system."];

/// Whether a module is a runtime or one of Windows' own libraries, by its base name in whatever case.
pub fn is_runtime(name: &str) -> bool {
    let mut lower = name.to_ascii_lowercase();
    // .NET Framework's libraries, compiled ahead: `mscorlib.ni.dll`, `mscorlib_ni` where a debugger names it.
    if let Some(stem) = lower.strip_suffix(".ni.dll").or_else(|| lower.strip_suffix("_ni")) {
        lower = format!("{stem}.dll");
    }
    // The debugger leaves the extension out.
    if !lower.contains('.') {
        lower.push_str(".dll");
    }
    RUNTIMES.binary_search(&lower.as_str()).is_ok()
        || (!lower.ends_with(".exe") && RUNTIME_PREFIXES.iter().any(|prefix| lower.starts_with(prefix)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtimes_are_sorted_and_found() {
        assert!(RUNTIMES.is_sorted());
        for (name, expected) in [
            ("ntdll.dll", true),
            ("NTDLL", true),
            ("msvcr90.dll", true),
            ("werfault.exe", true),
            ("System.Private.CoreLib.dll", true),
            ("mscorlib.ni.dll", true),
            ("mscorlib_ni", true),
            ("D3D11.dll", true),
            ("nvwgf2umx.dll", false),
            ("system.exe", false),
            ("crash.exe", false),
            ("app", false),
        ] {
            assert_eq!(is_runtime(name), expected, "{name}");
        }
    }
}
