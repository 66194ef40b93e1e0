"""Builds the drivers, runs every case, and writes what must come out of their dumps:
  cases.json   crashes: bug check, registers, stacks, and the frames that there truly are
  steps.json   the same at each instruction of calm code
  symbols/     images and PDBs, as a symbol server has them
Usage: generate.py FOLDER
"""
import json
import shutil
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import build
import cases
import machine

MACHINES = {"x64": machine.X64, "arm64": machine.Arm64}
# How often one instruction is looked at in a tour: its callers differ.
LOOKS = 3
# Bytes that a switch of stacks may leave on the old one.
BELOW_A_SWITCH = 0x100


def describe(of, frame):
    """A frame as it is compared."""
    module, offset = of.site(frame.pc)
    symbol = None
    if module and of.is_code(module, offset):
        # A call may be the last instruction of its function.
        symbol = of.images[module].symbol_at(offset if frame.exact else offset - 1)
    function = cases.readable(symbol) if symbol else None
    return {"pc": hexed(frame.pc), "sp": hexed(frame.sp), "module": module, "function": function}


def hexed(value):
    return f"{value & (1 << 64) - 1:#x}"


def memory(of, frames):
    """What is in use of each stack: as a dump saves it, nothing below the stack pointer."""
    regions = []
    for end, size in machine.STACKS.values():
        used = [frame.sp for frame in frames if end - size <= frame.sp < end]
        if not used:
            continue
        start = min(used) & ~0xF
        # A stack that was left keeps below its last frame what the switch pushed. One that overflowed is in use from
        # its lower end: a frame begins below it.
        if frames[0].sp not in used:
            start = max(start - BELOW_A_SWITCH, end - size)
        if any(end - size - 0x1000 <= frame.sp < end - size for frame in frames):
            start = end - size
        regions.append({"address": hexed(start), "bytes": bytes(of.uc.mem_read(start, end - start)).hex()})
    return regions


def finish(of, name, captured, extra):
    """From KeBugCheckEx to a case."""
    code, *parameters = of.arguments()
    if captured:
        # As real kernels do: the context is that of a call inside.
        of.stop_at = {of.address("ntoskrnl.exe", "RtlCaptureContext")}
        of.run(of.address("ntoskrnl.exe", "KeBugCheckEx"))
        of.stop_at = {of.shadow[-1].pc}
        of.run(of.instruction)
    pc = of.instruction
    frames = of.frames(pc)
    registers = of.registers()
    registers[of.PC] = pc
    described = [describe(of, frame) for frame in frames]
    for frame in described:
        # At a fault, or at the call that leads to it.
        frame["inlined"] = cases.INLINED.get(frame["function"], [])
    case = {"name": name, **extra, "bugcheck": code & 0xFFFFFFFF, "parameters": [hexed(it) for it in parameters],
            "registers": {key: hexed(value) for key, value in registers.items()}, "memory": memory(of, frames),
            "frames": described}
    if of.last_trap:
        depth, registers = of.last_trap
        case["fault"] = {"frame": len(frames) - 1 - depth,
                         "registers": {key: hexed(value) for key, value in registers.items()}}
    return case


def crash(kind, images, module, routine, policy, name, captured, extra):
    of = MACHINES[kind](images)
    of.stop_at = {of.address("ntoskrnl.exe", "KeBugCheckEx"), of.address("ntoskrnl.exe", "PsTerminateSystemThread")}
    of.run(of.start(of.address(module, routine), policy))
    if of.instruction == of.address("ntoskrnl.exe", "PsTerminateSystemThread"):
        raise SystemExit(f"{name}: came back")
    return finish(of, name, captured, extra)


def paths(kind, images):
    """Function to the addresses that a tour runs through the first time that it calls it."""
    wanted, found, ended = {function for function, _ in cases.INTERRUPTS}, {}, set()
    of = MACHINES[kind](images)

    def look(address):
        module, offset = of.site(address)
        function = images[module].symbol_at(offset)
        if function not in wanted or (module, function) in ended:
            return
        path = found.setdefault((module, function), [])
        if path and path[0] == address:
            ended.add((module, function))
        else:
            path.append(address)

    of.on_instruction = look
    of.stop_at = {of.address("ntoskrnl.exe", "PsTerminateSystemThread")}
    of.run(of.start(of.address("csagent.sys", "Tour"), 0))
    # Where drivers have a function of the same name, one of them.
    return {function: path for (_, function), path in found.items()}


def interrupt(kind, images, address, way, name, captured, extra):
    of = MACHINES[kind](images)
    of.stop_at = {address}
    of.run(of.start(of.address("csagent.sys", "Tour"), 0))
    handler = of.interrupt(of.instruction, way)
    of.stop_at = {of.address("ntoskrnl.exe", "KeBugCheckEx")}
    of.run(handler)
    return finish(of, name, captured, extra)


def tour(kind, images, module, routine, extra):
    """A run without a fault: registers, live stack and frames before each instruction."""
    of, steps, looks = MACHINES[kind](images), [], {}

    def look(address):
        looks[address] = looks.get(address, 0) + 1
        if looks[address] <= LOOKS:
            registers = of.registers()
            registers[of.PC] = address
            frames = of.frames(address)
            steps.append({"registers": [hexed(registers[it]) for it in of.NAMES], "memory": memory(of, frames),
                          "frames": [describe(of, frame) for frame in frames]})

    of.on_instruction = look
    of.stop_at = {of.address("ntoskrnl.exe", "PsTerminateSystemThread")}
    of.run(of.start(of.address(module, routine), 0))
    return {"name": "/".join([extra["machine"], extra["level"], routine]), **extra, "registers": of.NAMES, "steps": steps}


def store(images, folder):
    """Files where a symbol server has them, and what a dump says of the modules."""
    modules = []
    for name, image in images.items():
        image_key, pdb_key = image.keys()
        for file, key in ((image.path, image_key), (image.pdb, pdb_key)):
            target = folder / file.name / key / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
        modules.append({"name": name, "base": hexed(machine.BASES[name]), "size": image.size,
                        "timestamp": image.timestamp, "image": f"{name}/{image_key}/{name}",
                        "pdb": f"{image.pdb.name}/{pdb_key}/{image.pdb.name}"})
    return modules


def run_set(key, images):
    """All crashes and tours of one machine and level."""
    kind, level = key
    extra, prefix, done = {"machine": kind, "level": level}, "/".join(key), []
    plan = [(module, routine, policy) for module, routine in cases.FAULTS for policy in range(3)] + cases.OTHERS
    for module, routine, policy in plan:
        name = "/".join([prefix, routine, cases.POLICIES[policy]])
        done.append(crash(kind, images, module, routine, policy, name, len(done) % 2 == 1, extra))
    found = paths(kind, images)
    plan = [(*it, way) for it in cases.INTERRUPTS for way in ("same-stack", "other-stack")]
    plan += [(*it, "machine-frame") for it in cases.MACHINE_FRAMES if kind == "arm64"]
    for function, nth, way in plan:
        path = found[function]
        # At a higher level a function may have fewer instructions.
        if -len(path) <= nth < len(path):
            name = "/".join([prefix, f"Interrupt{function}{nth:+}", way])
            done.append(interrupt(kind, images, path[nth], way, name, len(done) % 2 == 1, extra))
    return done, [tour(kind, images, module, routine, extra) for module, routine in cases.TOURS]


def main(folder):
    started = time.monotonic()
    sets = build.build_all(folder / "build")
    shutil.rmtree(folder / "symbols", ignore_errors=True)
    modules = {"/".join(key): store(images, folder / "symbols") for key, images in sets.items()}
    with ProcessPoolExecutor() as pool:
        results = list(pool.map(run_set, sets.keys(), sets.values()))
    done = [case for crashes, _ in results for case in crashes]
    tours = [it for _, tours in results for it in tours]
    (folder / "steps.json").write_text(json.dumps({"modules": modules, "tours": tours}))
    (folder / "cases.json").write_text(json.dumps({"modules": modules, "cases": done}))
    steps = sum(len(it["steps"]) for it in tours)
    print(f"{len(done)} crashes with {sum(len(it['frames']) for it in done)} frames, {steps} steps, in "
          f"{time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
