// A driver that fails in every way that leaves a different kind of frame. Each exported routine is one case.
#include "../driver.h"

IMPORT u64 HelperDispatch(routine function, u64 argument);
IMPORT u64 HelperLargeFrame(routine function, u64 argument);
IMPORT u64 HelperDynamicFrame(routine function, u64 argument);
IMPORT u64 HelperAlignedFrame(routine function, u64 argument);
IMPORT u64 HelperKeepsAll(routine function, u64 argument);
IMPORT u64 HelperManyArguments(routine function, u64 argument);
IMPORT u64 HelperTailCall(routine function, u64 argument);
u64 LeafRead(u64 *from);
u64 SplitWork(routine function, u64 argument);
u64 KeepsWork(routine function, u64 argument);
u64 EpilogWork(routine function, u64 argument);

int _fltused;

struct channel_file {
    u64 count;
    struct entry {
        u64 kind;
        u64 *input;
    } entries[20];
};

static struct channel_file empty;

static NOINLINE u64 Twice(u64 argument) { return argument * 2; }

// The kinds of fault.

static NOINLINE u64 ReadNull(u64 argument) {
    volatile u64 *volatile nothing = 0;
    return nothing[19] + argument;
}

static NOINLINE u64 WriteNull(u64 argument) {
    u64 *nothing = 0;
    HIDE(nothing);
    nothing[1] = argument;
    return argument;
}

static NOINLINE u64 ReadWild(u64 argument) {
    u64 address = 0xffff9c8e0000009c;
    HIDE(address);
    volatile u64 many[12] = {argument};
    many[argument & 7] = *(volatile u32 *)address;
    return many[3];
}

static NOINLINE u64 CallWild(u64 argument) {
    u64 address = 0xffffe00012345678;
    HIDE(address);
    u64 answer = ((routine)address)(argument);
    return answer + 1;
}

static NOINLINE u64 CallNull(u64 argument) {
    u64 address = 0;
    HIDE(address);
    u64 answer = ((routine)address)(argument);
    return answer + 1;
}

static u64 data_not_code[4] = {1, 2, 3, 4};

static NOINLINE u64 CallData(u64 argument) {
    u64 address = (u64)data_not_code;
    HIDE(address);
    u64 answer = ((routine)address)(argument);
    return answer + 1;
}

// The kernel gives this section's memory back once a driver is loaded.
__attribute__((section("INIT"))) static NOINLINE u64 Initialise(u64 argument) { return Twice(argument) + 1; }

static NOINLINE u64 CallDiscarded(u64 argument) {
    u64 answer = Initialise(argument);
    return answer + 1;
}

static NOINLINE u64 CallThroughNull(u64 argument) {
    struct {
        u64 pad;
        routine function;
    } *table = 0;
    HIDE(table);
    u64 answer = table->function(argument);
    return answer + 1;
}

static NOINLINE u64 LeafFault(u64 argument) {
    u64 answer = LeafRead((u64 *)(argument & 0xff8));
    return answer + 1;
}

static NOINLINE u64 CopyFault(u64 argument) {
    u64 buffer[8];
    memcpy(buffer, (void *)0x40, argument | 32);
    HIDE(buffer[3]);
    return buffer[3];
}

static NOINLINE u64 Divide(u64 argument) {
#ifdef __x86_64__
    u32 zero = (u32)argument & 0;
    HIDE(zero);
    return 1000 / zero;
#else
    __asm__ volatile("brk #0xf004");
    return argument;
#endif
}

static NOINLINE u64 Undefined(u64 argument) {
#ifdef __x86_64__
    __asm__ volatile("ud2");
#else
    __asm__ volatile("brk #0xf000");
#endif
    return argument + 1;
}

// What it does not return from is its last instruction.
static NOINLINE u64 BugCheck(u64 argument) { KeBugCheckEx(0xE2, argument, 2, 3, 4); }

static NOINLINE u64 Recurse(u64 depth) {
    volatile u64 frame[5] = {depth, depth + 1};
    if (depth & 0x3f) {
        u64 answer = Recurse(depth - 1);
        return answer + frame[depth & 3];
    }
    return ReadNull(depth) + frame[1];
}

static NOINLINE u64 Endless(u64 depth) {
    volatile u64 frame[20] = {depth};
    u64 answer = Endless(depth + 1);
    return answer + frame[depth & 7];
}

// Inlined twice.
INLINED u64 ParseEntry(const struct channel_file *file, u64 place) {
    u64 *input = file->entries[place & 15].input;
    HIDE(input);
    u64 value = *(volatile u64 *)(input + 2);
    // Else the load is made part of the addition outside, and belongs to no inlined function any more.
    HIDE(value);
    return value;
}

INLINED u64 ParseFile(const struct channel_file *file) {
    u64 sum = 0;
    for (u64 place = 0; place <= (file->count & 15); place++)
        sum += ParseEntry(file, place);
    return sum;
}

static NOINLINE u64 LoadChannelFile(u64 argument) {
    u64 sum = ParseFile(&empty);
    return sum + argument;
}

// Inlined around a call.
INLINED u64 Guarded(routine function, u64 argument) {
    u64 answer = function(argument);
    HIDE(answer);
    return answer;
}

static NOINLINE u64 CallInlined(u64 argument) {
    u64 answer = Guarded(ReadNull, argument);
    return answer + 2;
}

// Where calls lead through.

static NOINLINE u64 Sum(u64 first, u64 second) {
    u64 sum = 0;
    for (u64 place = 0; place < (second & 7); place++)
        sum += first * place;
    return sum;
}

static NOINLINE u64 Switch(u64 kind, routine function) {
    volatile u64 seen = kind;
    switch (kind & 7) {
    case 0: return Sum(seen, 3) + 1;
    case 1: return function(4) ^ 2;
    case 2: return Sum(seen, seen) * 3;
    case 3: return function(9) - 4;
    case 4: return Sum(9, seen) / 5;
    case 5: return function(seen) | 6;
    default: return 7;
    }
}

static routine pending;

static u64 OnNotify(u64 first, u64 second) {
    u64 answer = pending(first);
    BARRIER();
    return answer + second;
}

static u64 ThroughCallback(routine function, u64 argument) {
    pending = function;
    ExRegisterCallback(OnNotify);
    u64 answer = ExNotifyCallback(argument, 5);
    return answer + 1;
}

static u64 OnRequest(void *device, u64 request) {
    volatile u64 seen = request;
    u64 answer = pending(seen);
    return answer + seen + (u64)device;
}

static u64 ThroughDevice(routine function, u64 argument) {
    pending = function;
    void *device = IoCreateDevice(OnRequest, 7);
    u64 answer = IofCallDriver(device, argument);
    return answer + 1;
}

// Calm code, to be looked at before each of its instructions.
static NOINLINE u64 Quiet(u64 argument) {
    u64 buffer[6];
    memset(buffer, 1, sizeof buffer);
    memcpy(buffer + 1, buffer, 24);
    HIDE(buffer[2]);
    return Sum(buffer[2], argument) + Switch(argument, Twice);
}

static u64 QuietDevice(u64 argument) { return ThroughDevice(Quiet, argument) + 1; }
static u64 QuietCallback(u64 argument) { return ThroughCallback(QuietDevice, argument) + 1; }
static u64 QuietStack(u64 argument) { return KeExpandKernelStackAndCallout(QuietCallback, argument) + 1; }

EXPORT u64 Tour(u64 argument) {
    u64 word = 3;
    u64 sum = LeafRead(&word) + Quiet(1) + Quiet(3);
    sum += HelperDispatch(Quiet, 5);
    sum += HelperLargeFrame(Quiet, sum);
    sum += HelperDynamicFrame(Quiet, 33);
    sum += HelperAlignedFrame(Quiet, 1);
    sum += HelperKeepsAll(Quiet, sum);
    sum += HelperManyArguments(Quiet, sum);
    sum += HelperTailCall(Quiet, sum);
    sum += SplitWork(Quiet, 1) + SplitWork(Quiet, 4);
    sum += KeepsWork(Quiet, sum) + EpilogWork(Quiet, 1) + EpilogWork(Quiet, 2);
    sum += Guarded(Quiet, 2);
    sum += QuietStack(argument);
    return sum + 1;
}

#define CASE(name, call)                                                                                               \
    EXPORT u64 name(u64 argument) {                                                                                    \
        u64 answer = call;                                                                                             \
        return answer + argument;                                                                                      \
    }

CASE(CaseReadNull, ReadNull(argument))
CASE(CaseWriteNull, WriteNull(argument))
CASE(CaseReadWild, ReadWild(argument))
CASE(CaseCallWild, CallWild(argument))
CASE(CaseCallNull, CallNull(argument))
CASE(CaseCallData, CallData(argument))
CASE(CaseCallThroughNull, CallThroughNull(argument))
CASE(CaseCallDiscarded, CallDiscarded(argument))
CASE(CaseLeaf, LeafFault(argument))
CASE(CaseCopy, CopyFault(argument))
CASE(CaseDivide, Divide(argument))
CASE(CaseUndefined, Undefined(argument))
CASE(CaseBugCheck, BugCheck(argument))
CASE(CaseRecursion, Recurse(40))
CASE(CaseEndless, Endless(argument))
CASE(CaseInlined, LoadChannelFile(argument))
CASE(CaseInlinedCall, CallInlined(argument))
CASE(CaseCallback, ThroughCallback(ReadNull, argument))
CASE(CaseCallbackBugCheck, ThroughCallback(BugCheck, argument))
CASE(CaseDevice, ThroughDevice(LoadChannelFile, argument))
CASE(CaseDispatch, HelperDispatch(WriteNull, argument))
CASE(CaseLargeFrame, HelperLargeFrame(ReadNull, argument))
CASE(CaseDynamicFrame, HelperDynamicFrame(CaseDispatch, 77))
CASE(CaseAlignedFrame, HelperAlignedFrame(ReadWild, argument))
CASE(CaseKeepsAll, HelperDynamicFrame(CaseAlignedFrame, HelperKeepsAll(Recurse, 3)))
CASE(CaseManyArguments, HelperManyArguments(CaseReadWild, argument))
CASE(CaseTailCall, HelperTailCall(ReadNull, argument))
CASE(CaseSplit, SplitWork(ReadNull, 1))
CASE(CaseSplitCold, SplitWork(ReadNull, 4))
CASE(CaseKeepsWork, HelperDynamicFrame((routine)CaseSplit, KeepsWork(CallNull, 3)))
CASE(CaseEpilogWork, EpilogWork(ReadNull, 3))
CASE(CaseSwitch, Switch(3, ReadNull))
CASE(CaseStack, KeExpandKernelStackAndCallout(CaseCallback, argument))
CASE(CaseQuiet, QuietCallback(argument))

static u64 StackFilter(u64 address) {
    u64 answer = HelperKeepsAll(WriteNull, address);
    return answer + 1;
}

EXPORT u64 CaseNested(u64 argument) {
    KeSetExceptionFilter(StackFilter);
    u64 answer = HelperDynamicFrame(ReadNull, 50);
    return answer + argument;
}

EXPORT u32 DriverEntry(void *driver, void *path) { return driver == path; }
