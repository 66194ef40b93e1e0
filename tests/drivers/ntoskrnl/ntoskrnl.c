// A kernel's ways into a bug check, under the names that they have in Windows: what a trap handler, an interrupt, a thread
// and a deferred call leave on a stack. Traps themselves are in traps_x64.s and traps_arm64.s.
#define NT __declspec(dllexport)
#include "../driver.h"

// What the kernel makes of a fault: the emulator starts a thread with it as the argument.
enum policy {
    DISPATCH_BUG_CHECK = 0, // KiPageFault -> KiBugCheckDispatch, as above DISPATCH_LEVEL
    MEMORY_BUG_CHECK = 1,   // KiPageFault -> MmAccessFault -> MiSystemFault
    EXCEPTION = 2,          // KiPageFault -> KiExceptionDispatch -> KiDispatchException
};

int _fltused;
void RtlCaptureContext(void *record);
u64 KiSwitchStackAndCall(routine function, u64 argument, void *stack);

volatile u64 KiPolicy;
static volatile u64 KiNested;
static callback ExpCallback;
static routine KiFilter;
static u64 KiContext[0x9a];
volatile u64 KiBugCheckData[5];
// Written by the emulator: the end of a second stack.
void *volatile KiDpcStack;

__attribute__((noreturn)) void KeBugCheckEx(u32 code, u64 first, u64 second, u64 third, u64 fourth) {
    KiBugCheckData[0] = code;
    KiBugCheckData[1] = first;
    KiBugCheckData[2] = second;
    KiBugCheckData[3] = third;
    KiBugCheckData[4] = fourth;
    RtlCaptureContext(KiContext);
    for (;;)
        KiBugCheckData[0] = code;
}

__attribute__((noreturn)) NOINLINE static void MiSystemFault(u64 address, u64 error, u64 frame) {
    KeBugCheckEx(0x50, address, error, frame, 2);
}

// 0 where the trap handler shall raise a bug check itself, 1 where it shall raise an exception.
NOINLINE u64 MmAccessFault(u64 address, u64 error, u64 frame) {
    if (KiPolicy == MEMORY_BUG_CHECK || KiNested > 1)
        MiSystemFault(address, error, frame);
    return KiPolicy == EXCEPTION;
}

void KiDispatchException(u64 code, u64 address, u64 frame) {
    KiNested = KiNested + 1;
    if (KiFilter) {
        u64 answer = KiFilter(address);
        HIDE(answer);
    }
    KeBugCheckEx(0x1E, code, address, frame, 0);
}

NOINLINE static void KeAccumulateTicks(u64 ticks) {
    volatile u64 seen[6] = {ticks};
    KeBugCheckEx(0x133, seen[0], 0x500, 0x500, 0);
}

NOINLINE static u64 KeClockInterruptNotify(u64 ticks) {
    KeAccumulateTicks(ticks + 1);
    BARRIER();
    return ticks;
}

u64 KiCallInterruptServiceRoutine(u64 vector) {
    u64 answer = KeClockInterruptNotify(vector & 1);
    BARRIER();
    return answer + vector;
}

void PsTerminateSystemThread(u64 status) {
    for (;;)
        HIDE(status);
}

void PspSystemThreadStartup(routine start, u64 policy) {
    KiPolicy = policy;
    u64 status = start(policy);
    PsTerminateSystemThread(status);
}

void ExRegisterCallback(callback function) { ExpCallback = function; }
void KeSetExceptionFilter(routine function) { KiFilter = function; }

NOINLINE static u64 ExpCallCallback(u64 first, u64 second) {
    u64 answer = ExpCallback(first, second);
    BARRIER();
    return answer ^ second;
}

u64 ExNotifyCallback(u64 first, u64 second) {
    volatile u64 seen = first;
    u64 answer = ExpCallCallback(first, second + 1);
    return answer + seen;
}

u64 KeExpandKernelStackAndCallout(routine function, u64 argument) {
    u64 answer = KiSwitchStackAndCall(function, argument, KiDpcStack);
    BARRIER();
    return answer + 1;
}

struct device {
    callback_any dispatch;
    u64 extension;
};
static struct device devices[4];
static u32 device_count;

void *IoCreateDevice(callback_any dispatch, u64 extension) {
    struct device *device = &devices[device_count++ & 3];
    device->dispatch = dispatch;
    device->extension = extension;
    return device;
}

// As in Windows, this one leaves no frame where it is optimised.
u64 IofCallDriver(void *device, u64 request) { return ((struct device *)device)->dispatch(device, request); }

EXPORT u32 KiSystemStartup(void *block) { return block != 0; }
