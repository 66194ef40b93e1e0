"""Compiles and links the drivers of this folder with clang and lld-link: images, PDBs and maps."""
import bisect
import functools
import os
import shutil
import struct
import subprocess
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
LEVELS = ["O0", "O1", "O2"]
TRIPLES = {"x64": "x86_64-pc-windows-msvc", "arm64": "aarch64-pc-windows-msvc"}
# Name, PDB, sources, what it imports from. The kernel's PDB is not called as its image is.
DRIVERS = [
    ("ntoskrnl.exe", "ntkrnlmp.pdb", ["ntoskrnl/ntoskrnl.c", "ntoskrnl/traps_{machine}.s"], []),
    ("helper.sys", "helper.pdb", ["helper/helper.c", "chkstk_{machine}.s"], ["ntoskrnl.exe"]),
    ("csagent.sys", "csagent.pdb", ["csagent/csagent.c", "csagent/{machine}.s", "chkstk_{machine}.s"],
     ["ntoskrnl.exe", "helper.sys"]),
    ("filter.sys", "filter.pdb", ["filter/filter.cpp", "chkstk_{machine}.s"], ["ntoskrnl.exe"]),
]
# No inlining but what the sources ask for: what is inlined then is known. Freestanding code has no unwind information
# of its own accord.
FLAGS = ["-g", "-gcodeview", "-ffreestanding", "-fasynchronous-unwind-tables", "-fno-builtin", "-fno-inline",
         "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics", "-fms-extensions", "-Wall", "-Werror", "-Wno-infinite-recursion",
         "-Wno-unused-function", "-Wno-microsoft"]


def tool(name):
    """A program of LLVM: as it is called, or with the highest version that is there."""
    found = [name] if shutil.which(name) else []
    for folder in os.environ["PATH"].split(os.pathsep):
        found += [path.name for path in Path(folder).glob(f"{name}-[0-9]*")]
    if not found:
        raise SystemExit(f"{name} is not there: install the packages clang and lld")
    return found[0] if found[0] == name else max(found, key=lambda it: int(it.rpartition("-")[2]))


def run(arguments, folder):
    done = subprocess.run([str(it) for it in arguments], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, arguments))}\n{done.stdout}{done.stderr}")


def build_set(machine, level, folder):
    """All drivers of one machine and level: name to Image."""
    folder.mkdir(parents=True, exist_ok=True)
    clang, linker = tool("clang"), tool("lld-link")
    images = {}
    for name, pdb, sources, imports in DRIVERS:
        stem = name.split(".")[0]
        objects = []
        for source in (source.format(machine=machine) for source in sources):
            output = f"{stem}.{source.replace('/', '.')}.obj"
            language = ["-std=c++17"] if source.endswith(".cpp") else []
            flags = [] if source.endswith(".s") else [f"-{level}", *FLAGS, *language]
            run([clang, f"--target={TRIPLES[machine]}", *flags, "-c", HERE / source, "-o", output], folder)
            objects.append(output)
        exports = ["/export:memcpy", "/export:memset"] if stem == "ntoskrnl" else []
        entry = "KiSystemStartup" if stem == "ntoskrnl" else "DriverEntry"
        run([linker, "/nologo", "/driver", "/subsystem:native", "/nodefaultlib", "/debug", "/Brepro",
             "/opt:noref,noicf", "/dynamicbase", f"/machine:{machine}", f"/entry:{entry}", f"/out:{name}",
             f"/pdb:{pdb}", "/pdbaltpath:%_PDB%", f"/map:{stem}.map", f"/implib:{stem}.lib", *exports, *objects,
             *(f"{other.split('.')[0]}.lib" for other in imports)], folder)
        images[name] = Image(folder / name, folder / pdb, folder / f"{stem}.map")
    return images


def build_all(folder):
    """(machine, level) to the images of that set."""
    keys = [(machine, level) for machine in TRIPLES for level in LEVELS]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(keys, pool.map(lambda key: build_set(*key, folder / "-".join(key)), keys)))


class Image:
    """A linked driver, as little of a PE reader as loading one takes."""

    def __init__(self, path, pdb, map_path):
        self.path, self.pdb, self.name = path, pdb, path.name
        self.bytes = path.read_bytes()
        pe = self.u32(0x3C)
        sections, = struct.unpack_from("<H", self.bytes, pe + 6)
        self.timestamp = self.u32(pe + 8)
        optional, = struct.unpack_from("<H", self.bytes, pe + 20)
        self.preferred, = struct.unpack_from("<Q", self.bytes, pe + 24 + 24)
        self.size = self.u32(pe + 24 + 56)
        self.directories = [struct.unpack_from("<II", self.bytes, pe + 24 + 112 + 8 * place) for place in range(16)]
        self.sections = []
        for place in range(sections):
            at = pe + 24 + optional + 40 * place
            name = self.bytes[at:at + 8].rstrip(b"\0").decode()
            virtual, rva, raw, offset = struct.unpack_from("<IIII", self.bytes, at + 8)
            self.sections.append((name, rva, virtual, raw, offset, self.u32(at + 36)))
        self.symbols = read_map(map_path, self.preferred)
        self.rvas = sorted(self.symbols)

    def u32(self, at):
        return struct.unpack_from("<I", self.bytes, at)[0]

    @functools.cached_property
    def mapped(self):
        """The image as a loader lays it out, unrelocated."""
        memory = bytearray(self.size)
        for _, rva, virtual, raw, offset, _ in self.sections:
            length = min(virtual, raw)
            memory[rva:rva + length] = self.bytes[offset:offset + length]
        return bytes(memory)

    def symbol_at(self, rva):
        """The name that the linker's map has for an offset."""
        place = bisect.bisect_right(self.rvas, rva)
        return self.symbols[self.rvas[place - 1]] if place else None

    def rva_of(self, name):
        return next(rva for rva, it in self.symbols.items() if it == name)

    @functools.cached_property
    def exports(self):
        """Name to offset."""
        memory, (rva, _) = self.mapped, self.directories[0]
        if not rva:
            return {}
        count, functions, names, ordinals = struct.unpack_from("<IIII", memory, rva + 24)
        found = {}
        for place in range(count):
            name_rva, = struct.unpack_from("<I", memory, names + 4 * place)
            ordinal, = struct.unpack_from("<H", memory, ordinals + 2 * place)
            name = memory[name_rva:memory.index(0, name_rva)].decode()
            found[name], = struct.unpack_from("<I", memory, functions + 4 * ordinal)
        return found

    def keys(self):
        """The folders of a symbol store for the image and its PDB."""
        memory, (rva, size) = self.mapped, self.directories[6]
        for at in range(rva, rva + size, 28):
            kind, _, data = struct.unpack_from("<III", memory, at + 12)
            if kind == 2:
                guid = uuid.UUID(bytes_le=memory[data + 4:data + 20])
                age, = struct.unpack_from("<I", memory, data + 20)
                return f"{self.timestamp:08X}{self.size:x}", f"{guid.hex.upper()}{age:x}"
        raise SystemExit(f"{self.path}: names no PDB")


def read_map(path, preferred):
    """Offset to symbol, out of a linker's map: 0001:00000010 NAME 0000000140001010 [f] OBJECT."""
    symbols = {}
    for line in path.read_text().splitlines():
        parts = line.split()
        if len(parts) >= 3 and ":" in parts[0] and len(parts[0]) == 13 and len(parts[2]) == 16:
            rva = int(parts[2], 16) - preferred
            if not parts[1].startswith((".", "__imp_")) and rva > 0:
                symbols.setdefault(rva, parts[1])
    return symbols
