"""Runs the drivers in an emulator, and notes every call, return and trap: the stack as it truly is, by no unwind
information. Owns what the two processors do; what is run is the business of cases.py."""
import struct

import unicorn as u
from unicorn import arm64_const as a
from unicorn import x86_const as x

BASES = {"ntoskrnl.exe": 0xFFFFF80312200000, "helper.sys": 0xFFFFF80315F40000, "csagent.sys": 0xFFFFF80317C10000,
         "filter.sys": 0xFFFFF80319AE0000}
# Where each stack ends, and its size. Stacks of threads lie below those of processors.
STACKS = {"thread": (0xFFFFA80411238000, 0x6000), "dpc": (0xFFFFF80318A74000, 0x6000),
          "interrupt": (0xFFFFF80318A9D000, 0x3000)}
MOST_INSTRUCTIONS = 400_000
# The emulator wants an address to stop at; this one is never come to.
NOWHERE = 0x7FFF_FFFF_FFFF_0001


class Entry:
    """A call or a trap under way: where it goes back to, with which stack pointer."""

    def __init__(self, pc, sp, exact):
        self.pc, self.sp, self.exact = pc, sp, exact


class Stopped(Exception):
    """The emulator stopped for something that no case provides for."""


class Machine:
    """One processor with the drivers loaded and an empty shadow stack."""

    def __init__(self, images):
        self.images, self.shadow, self.fault = images, [], None
        self.instruction, self.executed, self.check = 0, 0, None
        self.on_instruction, self.stop_at = None, set()
        self.last_trap = None
        self.uc = self.new()
        for name, image in images.items():
            self.load(name, image)
        for end, size in STACKS.values():
            self.uc.mem_map(end - size, size, u.UC_PROT_READ | u.UC_PROT_WRITE)
        end, _ = STACKS["dpc"]
        self.write_word(self.address("ntoskrnl.exe", "KiDpcStack"), end - 0x40)
        self.uc.hook_add(u.UC_HOOK_CODE, self.each)
        self.uc.hook_add(u.UC_HOOK_MEM_UNMAPPED | u.UC_HOOK_MEM_PROT, self.bad_memory)
        self.uc.hook_add(u.UC_HOOK_INTR, self.interrupted)
        self.uc.hook_add(u.UC_HOOK_INSN_INVALID, lambda *_: False)

    # Loading.

    def load(self, name, image):
        base, memory = BASES[name], bytearray(image.mapped)
        rva, size = image.directories[5]
        end = rva + size
        while rva < end:
            page, length = struct.unpack_from("<II", memory, rva)
            for at in range(rva + 8, rva + length, 2):
                entry, = struct.unpack_from("<H", memory, at)
                if entry >> 12 == 10:
                    place = page + (entry & 0xFFF)
                    value, = struct.unpack_from("<Q", memory, place)
                    struct.pack_into("<Q", memory, place, value - image.preferred + base & (1 << 64) - 1)
                elif entry >> 12:
                    raise Stopped(f"{name}: relocation of type {entry >> 12}")
            rva += length
        self.bind(memory, image.directories[1][0])
        self.uc.mem_map(base, 0x1000, u.UC_PROT_READ)
        self.uc.mem_write(base, bytes(memory[:0x1000]))
        for section, rva, virtual, _, _, flags in image.sections:
            # A kernel frees this one after a driver's start.
            if section == "INIT":
                continue
            rights = u.UC_PROT_READ | (u.UC_PROT_EXEC if flags >> 29 & 1 else 0)
            rights |= u.UC_PROT_WRITE if flags >> 31 else 0
            self.uc.mem_map(base + rva, (virtual + 0xFFF) & ~0xFFF, rights)
            self.uc.mem_write(base + rva, bytes(memory[rva:rva + virtual]))

    def bind(self, memory, rva):
        while rva and struct.unpack_from("<I", memory, rva + 12)[0]:
            names, name, table = struct.unpack_from("<I8xII", memory, rva)
            exporter = bytes(memory[name:memory.index(0, name)]).decode()
            exports = self.images[exporter].exports
            place = 0
            while hint := struct.unpack_from("<Q", memory, names + 8 * place)[0]:
                symbol = bytes(memory[hint + 2:memory.index(0, hint + 2)]).decode()
                struct.pack_into("<Q", memory, table + 8 * place, BASES[exporter] + exports[symbol])
                place += 1
            rva += 20

    def address(self, module, symbol):
        return BASES[module] + self.images[module].rva_of(symbol)

    def site(self, address):
        """Module and offset of an address."""
        for name, image in self.images.items():
            if BASES[name] <= address < BASES[name] + image.size:
                return name, address - BASES[name]
        return None, None

    def is_code(self, module, offset):
        """Whether a section with code is there."""
        return any(rva <= offset < rva + virtual and flags >> 29 & 1
                   for _, rva, virtual, _, _, flags in self.images[module].sections)

    def read_word(self, address):
        return struct.unpack("<Q", self.uc.mem_read(address, 8))[0]

    def write_word(self, address, value):
        self.uc.mem_write(address, struct.pack("<Q", value))

    # Running.

    def each(self, _, address, size, __):
        self.executed += 1
        if self.check is not None:
            expected, self.check = self.check, None
            got = address, self.sp()
            if got != expected:
                raise Stopped(f"a return went to {got[0]:#x}, {got[1]:#x}, not {expected[0]:#x}, {expected[1]:#x}")
        self.instruction = address
        if address in self.stop_at or self.executed > MOST_INSTRUCTIONS:
            self.uc.emu_stop()
            return
        if self.on_instruction:
            self.on_instruction(address)
        kind = self.kind(bytes(self.uc.mem_read(address, size)))
        if kind == "call":
            self.shadow.append(Entry(address + size, self.sp(), False))
        elif kind == "return":
            entry = self.shadow.pop()
            if entry.exact:
                raise Stopped("a return into a trap")
            self.check = entry.pc, entry.sp

    def bad_memory(self, _, access, address, ___, ____, _____):
        fetch = access in (u.UC_MEM_FETCH_UNMAPPED, u.UC_MEM_FETCH_PROT)
        write = access in (u.UC_MEM_WRITE_UNMAPPED, u.UC_MEM_WRITE_PROT)
        self.fault = ("fetch" if fetch else "write" if write else "read"), address
        return False

    def interrupted(self, _, number, __):
        self.fault = "interrupt", number
        self.uc.emu_stop()

    def run(self, pc):
        """Runs until a stop address; faults go to their handlers."""
        while True:
            self.fault = None
            try:
                self.uc.emu_start(pc, NOWHERE)
            except u.UcError as error:
                if self.fault is None:
                    self.fault = "invalid", error.errno
            self.check = None
            if self.executed > MOST_INSTRUCTIONS:
                raise Stopped("does not end")
            if self.fault is None:
                return self.instruction
            kind, value = self.fault
            at = value if kind == "fetch" else self.instruction
            # A call that failed to read its target or to push has called nobody.
            if self.shadow and not self.shadow[-1].exact and kind != "fetch" and self.is_call_at(self.instruction):
                self.shadow.pop()
            pc = self.trap(kind, value, at)

    def is_call_at(self, address):
        return self.kind(bytes(self.uc.mem_read(address, 8))) == "call"

    def frames(self, pc):
        """What a debugger should show, innermost first."""
        frames = [Entry(pc, self.sp(), True)]
        return frames + [Entry(it.pc, it.sp, it.exact) for it in reversed(self.shadow)]

    def enter(self, pc, interrupted, handler):
        """Notes a trap."""
        registers = self.registers()
        registers[self.PC] = pc
        self.last_trap = len(self.shadow), registers
        self.shadow.append(Entry(pc, interrupted, True))
        return self.address("ntoskrnl.exe", handler)

    def registers(self):
        return dict(zip(self.NAMES, self.uc.reg_read_batch(self.NUMBERS)))

    def sp(self):
        return self.uc.reg_read(self.STACK_POINTER)

    def is_mapped(self, address):
        return any(end - size <= address < end for end, size in STACKS.values())


class X64(Machine):
    PC, SP = "rip", "rsp"
    NAMES = "rip rsp rax rbx rcx rdx rsi rdi rbp r8 r9 r10 r11 r12 r13 r14 r15 eflags".split()
    NUMBERS = [getattr(x, f"UC_X86_REG_{name.upper()}") for name in NAMES]
    STACK_POINTER = x.UC_X86_REG_RSP
    INTERRUPTS = {0: "KiDivideErrorFault"}

    def new(self):
        uc = u.Uc(u.UC_ARCH_X86, u.UC_MODE_64)
        uc.ctl_set_tlb_mode(u.UC_TLB_VIRTUAL)
        return uc

    @staticmethod
    def kind(code):
        while code and (0x40 <= code[0] <= 0x4F or code[0] in (0x66, 0x2E, 0xF2, 0xF3)):
            code = code[1:]
        if code[:1] == b"\xE8" or code[:1] == b"\xFF" and code[1] >> 3 & 7 == 2:
            return "call"
        return "return" if code[:1] in (b"\xC3", b"\xC2") else None

    def start(self, routine, policy):
        end, _ = STACKS["thread"]
        sp = end - 0x48
        for register, value in ((x.UC_X86_REG_RSP, sp), (x.UC_X86_REG_RCX, routine), (x.UC_X86_REG_RDX, policy)):
            self.uc.reg_write(register, value)
        # What a thread does not set has some value.
        for place, name in enumerate("RBX RBP RSI RDI R12 R13 R14 R15".split()):
            self.uc.reg_write(getattr(x, f"UC_X86_REG_{name}"), 0x1111111111111111 * (place + 1))
        return self.address("ntoskrnl.exe", "KiStartSystemThread")

    def trap(self, kind, value, at):
        if kind in ("read", "write", "fetch"):
            self.uc.reg_write(x.UC_X86_REG_CR2, value & (1 << 64) - 1)
            error = {"read": 0, "write": 2, "fetch": 0x10}[kind]
            if not self.is_mapped(self.sp() - 0x40):
                return self.push(at, 0, "KiDoubleFaultAbort", STACKS["interrupt"][0])
            return self.push(at, error, "KiPageFault")
        if kind == "interrupt":
            return self.push(at, None, self.INTERRUPTS[value])
        return self.push(at, None, "KiInvalidOpcodeFault")

    def push(self, pc, error, handler, stack=None):
        """What the processor does: it aligns the stack and pushes ss, rsp, rflags, cs, rip, perhaps an error code."""
        interrupted = self.sp()
        sp = (stack or interrupted) & ~0xF
        for word in [0x18, interrupted, 0x10246, 0x10, pc] + ([] if error is None else [error]):
            sp -= 8
            self.write_word(sp, word)
        handler = self.enter(pc, interrupted, handler)
        self.uc.reg_write(x.UC_X86_REG_RSP, sp)
        return handler

    def interrupt(self, pc, way):
        return self.push(pc, None, "KiInterruptDispatch", STACKS["interrupt"][0] if way == "other-stack" else None)

    def arguments(self):
        """Those of KeBugCheckEx, at its first instruction."""
        registers = self.registers()
        return [registers[it] for it in ("rcx", "rdx", "r8", "r9")] + [self.read_word(self.sp() + 0x28)]


class Arm64(Machine):
    PC, SP = "pc", "sp"
    NAMES = [f"x{place}" for place in range(29)] + ["fp", "lr", "sp", "pc"]
    NUMBERS = ([a.UC_ARM64_REG_X0 + place for place in range(29)] +
               [a.UC_ARM64_REG_FP, a.UC_ARM64_REG_LR, a.UC_ARM64_REG_SP, a.UC_ARM64_REG_PC])
    STACK_POINTER = a.UC_ARM64_REG_SP

    def new(self):
        uc = u.Uc(u.UC_ARCH_ARM64, u.UC_MODE_ARM)
        # Floating point may be used.
        uc.reg_write(a.UC_ARM64_REG_CPACR_EL1, 3 << 20)
        return uc

    @staticmethod
    def kind(code):
        word, = struct.unpack_from("<I", code)
        if word >> 26 == 0x25 or word & 0xFFFFFC1F == 0xD63F0000:
            return "call"
        return "return" if word == 0xD65F03C0 else None

    def start(self, routine, policy):
        end, _ = STACKS["thread"]
        for register, value in ((a.UC_ARM64_REG_SP, end - 0x40), (a.UC_ARM64_REG_X0, routine),
                                (a.UC_ARM64_REG_X1, policy), (a.UC_ARM64_REG_LR, 0), (a.UC_ARM64_REG_FP, 0)):
            self.uc.reg_write(register, value)
        for place in range(19, 29):
            self.uc.reg_write(a.UC_ARM64_REG_X0 + place, 0x0101010101010101 * place)
        return self.address("ntoskrnl.exe", "KiStartSystemThread")

    def trap(self, kind, value, at):
        syndrome = {"read": 0x96000007, "write": 0x96000047, "fetch": 0x86000007}.get(kind, 0xF2000000)
        self.uc.reg_write(a.UC_ARM64_REG_FAR_EL1, value & (1 << 64) - 1)
        self.uc.reg_write(a.UC_ARM64_REG_ESR_EL1, syndrome)
        handler = "KiKernelExceptionHandler" if kind in ("read", "write", "fetch") else "KiKernelBreakHandler"
        stack = None if self.is_mapped(self.sp() - 0x400) else STACKS["interrupt"][0]
        return self.vector(at, handler, stack)

    def vector(self, pc, handler, stack=None):
        """What the processor does: it notes where it was, and changes the stack pointer's bank."""
        interrupted = self.sp()
        handler = self.enter(pc, interrupted, handler)
        self.uc.reg_write(a.UC_ARM64_REG_ELR_EL1, pc)
        # SP_EL0 has no number of its own in the emulator: CRn, CRm, op0, op1, op2.
        self.uc.reg_write(a.UC_ARM64_REG_CP_REG, (4, 1, 3, 0, 0, interrupted))
        if stack:
            self.uc.reg_write(a.UC_ARM64_REG_SP, stack)
        return handler

    def interrupt(self, pc, way):
        if way == "machine-frame":
            return self.vector(pc, "KiShortInterruptDispatch")
        return self.vector(pc, "KiInterruptDispatch", STACKS["interrupt"][0] if way == "other-stack" else None)

    def arguments(self):
        registers = self.registers()
        return [registers[f"x{place}"] for place in range(5)]
