"""Which routines are run, and where they are interrupted."""
import re

# What the kernel makes of a fault (ntoskrnl.c).
POLICIES = ["dispatch", "memory", "exception"]

# Each is run with every policy; the policies matter where a page fault is what ends it.
FAULTS = [
    ("csagent.sys", "CaseReadNull"), ("csagent.sys", "CaseWriteNull"), ("csagent.sys", "CaseReadWild"),
    ("csagent.sys", "CaseCallWild"), ("csagent.sys", "CaseCallNull"), ("csagent.sys", "CaseCallData"),
    ("csagent.sys", "CaseCallThroughNull"), ("csagent.sys", "CaseCallDiscarded"), ("csagent.sys", "CaseLeaf"),
    ("csagent.sys", "CaseCopy"), ("csagent.sys", "CaseRecursion"), ("csagent.sys", "CaseInlined"),
    ("csagent.sys", "CaseInlinedCall"), ("csagent.sys", "CaseCallback"), ("csagent.sys", "CaseDevice"),
    ("csagent.sys", "CaseDispatch"), ("csagent.sys", "CaseLargeFrame"), ("csagent.sys", "CaseDynamicFrame"),
    ("csagent.sys", "CaseAlignedFrame"), ("csagent.sys", "CaseKeepsAll"), ("csagent.sys", "CaseManyArguments"),
    ("csagent.sys", "CaseTailCall"), ("csagent.sys", "CaseSplit"), ("csagent.sys", "CaseSplitCold"),
    ("csagent.sys", "CaseKeepsWork"), ("csagent.sys", "CaseEpilogWork"), ("csagent.sys", "CaseSwitch"),
    ("csagent.sys", "CaseStack"), ("filter.sys", "CaseVirtual"), ("filter.sys", "CaseTemplate"),
    ("filter.sys", "CaseConstructor"), ("filter.sys", "CaseDestructor"), ("filter.sys", "CaseOperator"),
    ("filter.sys", "CaseStaticMember"), ("filter.sys", "CaseTemplateCallback"),
]
# One policy is enough.
OTHERS = [
    ("csagent.sys", "CaseDivide", 2), ("csagent.sys", "CaseUndefined", 2), ("csagent.sys", "CaseBugCheck", 0),
    ("csagent.sys", "CaseCallbackBugCheck", 0), ("csagent.sys", "CaseEndless", 0), ("csagent.sys", "CaseNested", 2),
]
# Interrupted at the n-th instruction of a function, n from its end where negative: on the thread's stack, on another.
INTERRUPTS = [
    ("HelperKeepsAll", 0), ("HelperKeepsAll", 1), ("HelperKeepsAll", 3), ("HelperKeepsAll", -1),
    ("HelperKeepsAll", -2), ("HelperKeepsAll", -3), ("HelperDynamicFrame", 2), ("HelperDynamicFrame", 12),
    ("HelperDynamicFrame", -2), ("HelperTailCall", -1), ("HelperLargeFrame", 3), ("__chkstk", 2), ("SplitWork", 1),
    ("KeepsWork", 4), ("KeepsWork", -2), ("EpilogWork", -2), ("LeafRead", 1), ("Sum", 3),
]
# ARM64, behind the prolog: with no more than stack pointer and program counter for the way back.
MACHINE_FRAMES = [("SplitWork", 4), ("KeepsWork", 10), ("EpilogWork", 5)]
# Run to their end, and looked at before each instruction.
TOURS = [("csagent.sys", "Tour"), ("filter.sys", "TourFilter")]

# What is inlined by the sources' wish: the function that the frame is of, then what lies in it, innermost first. At
# the fault, or at the call that leads on.
INLINED = {"LoadChannelFile": ["ParseEntry", "ParseFile"], "CallInlined": ["Guarded"]}

NUMBERS = {"I": "unsigned int", "_K": "unsigned long long"}
COUNTS = {"$03": "4", "$01": "2", "$0CI@": "40"}


def readable(symbol):
    """A symbol of filter.cpp as a debugger shows it. Only the shapes that are there."""
    if not symbol.startswith("?"):
        return symbol
    if found := re.match(r"\?(\w+)@\?A0x\w+@@", symbol):
        return f"`anonymous namespace'::{found[1]}"
    if found := re.match(r"\?(\w+)@@YA", symbol):
        return found[1]
    if found := re.match(r"\?\?([01R])(\w+)@filter@@", symbol):
        special = {"0": found[2], "1": f"~{found[2]}", "R": "operator()"}[found[1]]
        return f"filter::{found[2]}::{special}"
    if found := re.match(r"\?(\?0|\w+@)\?\$Queue@(I|_K)(\$03|\$01|\$0CI@)@filter@@", symbol):
        name = found[1].rstrip("@").replace("?0", "Queue")
        return f"filter::Queue<{NUMBERS[found[2]]},{COUNTS[found[3]]}>::{name}"
    if re.match(r"\?\?\$twice@AEAVEngine@filter@@@detail@filter@@", symbol):
        return "filter::detail::twice<filter::Engine &>"
    if found := re.match(r"\?(\w+)@(\w+)@filter@@", symbol):
        return f"filter::{found[2]}::{found[1]}"
    raise SystemExit(f"{symbol}: cases.py does not know its shape")
