// Functions for other drivers, each with another kind of frame around a call.
#include "../driver.h"

int _fltused;
static volatile u64 used;

static NOINLINE void Fill(volatile u8 *to, u64 bytes) {
    for (u64 place = 0; place < bytes; place += 512)
        to[place] = (u8)place;
}

EXPORT u64 HelperDispatch(routine function, u64 argument) {
    u64 answer = function(argument);
    return answer + 1;
}

// More than a page: the stack is probed.
EXPORT u64 HelperLargeFrame(routine function, u64 argument) {
    volatile u8 large[0x2400];
    Fill(large, sizeof large);
    u64 answer = function(argument);
    return answer + large[argument & 0xfff];
}

// A frame whose size is known when it runs.
EXPORT u64 HelperDynamicFrame(routine function, u64 argument) {
    volatile u8 *room = __builtin_alloca((argument & 0xff) + 16);
    Fill(room, argument & 0xff);
    u64 answer = function(argument);
    return answer + room[argument & 15];
}

EXPORT u64 HelperAlignedFrame(routine function, u64 argument) {
    __attribute__((aligned(64))) volatile u8 room[192];
    Fill(room, sizeof room);
    u64 answer = function(argument);
    return answer + room[argument & 127];
}

// Everything that a call keeps is used.
EXPORT u64 HelperKeepsAll(routine function, u64 argument) {
    double number = (double)argument;
    u64 answer;
#ifdef __x86_64__
    __asm__ volatile("xor %%ebx, %%ebx\n\txor %%esi, %%esi\n\txor %%r14d, %%r14d"
                     :
                     :
                     : "rbx", "rsi", "rdi", "r12", "r13", "r14", "r15", "xmm6", "xmm7", "xmm8", "xmm9", "xmm13");
    answer = function(argument);
    __asm__ volatile("" ::: "rbx", "rsi", "rdi", "r12", "r13", "r14", "r15", "xmm6", "xmm7", "xmm8", "xmm9", "xmm13");
#else
    __asm__ volatile("mov x19, #0\n\tmov x22, #0\n\tmov x28, #0"
                     :
                     :
                     : "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "d8", "d9", "d10", "d13");
    answer = function(argument);
    __asm__ volatile("" ::: "x19", "x20", "x21", "x22", "x23", "x28", "d8", "d9", "d10");
#endif
    return answer + (u64)(number * 1.5);
}

struct pair {
    u64 first, second, third;
};

static NOINLINE struct pair Spread(u64 a, u64 b, u64 c, u64 d, u64 e, u64 f, u64 g, u64 h, u64 i, u64 j,
                                   routine function, double factor) {
    struct pair pair = {a + b + c, d + e + f, g + h + i + j};
    pair.second += function(a);
    pair.third += (u64)(factor * (double)b);
    return pair;
}

EXPORT u64 HelperManyArguments(routine function, u64 argument) {
    struct pair pair =
        Spread(argument, 1, 2, 3, 4, 5, 6, 7, argument + 1, argument + 2, function, (double)argument);
    u64 sum = pair.first + pair.second + pair.third;
    HIDE(sum);
    // Clang 14 for ARM64 else loads the return address together with the last field: an instruction of the epilog is
    // no longer there, while the unwind information still counts it.
    BARRIER();
    return sum;
}

static NOINLINE u64 LastCall(routine function, u64 argument) {
    used = argument;
    u64 answer = function(argument + 1);
    return answer + used;
}

static NOINLINE u64 MiddleCall(routine function, u64 argument) {
    volatile u64 room[4] = {argument};
    used = room[argument & 3];
    __attribute__((musttail)) return LastCall(function, argument * 2);
}

// Two calls that leave no frame, behind a prolog and an epilog.
EXPORT u64 HelperTailCall(routine function, u64 argument) {
    Fill((volatile u8 *)&used, 8);
    __attribute__((musttail)) return MiddleCall(function, argument + used);
}

EXPORT u32 DriverEntry(void *driver, void *path) { return driver == path; }
