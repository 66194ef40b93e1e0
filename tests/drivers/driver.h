// What the drivers of this folder share: they are built without headers of any system, and run only in an emulator.
#pragma once

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#ifdef __cplusplus
#define DRIVER_C extern "C"
#else
#define DRIVER_C
#endif
#define EXPORT DRIVER_C __declspec(dllexport)
#define IMPORT DRIVER_C __declspec(dllimport)
#define NOINLINE __attribute__((noinline))
#define INLINED static __attribute__((always_inline)) inline

// Hides a value from the optimiser.
#define HIDE(value) __asm__ volatile("" : "+r"(value))
// What stands before it happens before what stands after it: calls in front of it are no tail calls.
#define BARRIER() __asm__ volatile("" ::: "memory")

typedef u64 (*routine)(u64 argument);
typedef u64 (*callback)(u64 first, u64 second);
typedef u64 (*callback_any)(void *context, u64 argument);

#ifndef NT
#define NT IMPORT
#endif

NT __attribute__((noreturn)) void KeBugCheckEx(u32 code, u64 first, u64 second, u64 third, u64 fourth);
NT void ExRegisterCallback(callback function);
NT u64 ExNotifyCallback(u64 first, u64 second);
NT void KeSetExceptionFilter(routine function);
NT u64 KeExpandKernelStackAndCallout(routine function, u64 argument);
NT u64 IofCallDriver(void *device, u64 request);
NT void *IoCreateDevice(callback_any dispatch, u64 extension);
NT void *memcpy(void *to, const void *from, u64 bytes);
NT void *memset(void *to, int value, u64 bytes);
