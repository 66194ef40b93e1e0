// Traps, interrupts and stack switches of ARM64, with the unwind codes that only a kernel uses. The processor leaves
// the interrupted stack pointer in SP_EL0, the program counter in ELR_EL1, the address in FAR_EL1.
    .text

    .macro function name
    .globl \name
    .def \name; .scl 2; .type 32; .endef
    .p2align 2
    .seh_proc \name
\name:
    .endm

    // KTRAP_FRAME: what a call may change.
    .macro save_trap_frame
    stp x0, x1, [sp, #0xa0]
    stp x2, x3, [sp, #0xb0]
    stp x4, x5, [sp, #0xc0]
    stp x6, x7, [sp, #0xd0]
    stp x8, x9, [sp, #0xe0]
    stp x10, x11, [sp, #0xf0]
    stp x12, x13, [sp, #0x100]
    stp x14, x15, [sp, #0x110]
    stp x16, x17, [sp, #0x120]
    str x18, [sp, #0x130]
    str x30, [sp, #0x138]
    str x29, [sp, #0x140]
    mrs x0, elr_el1
    str x0, [sp, #0x148]
    mrs x1, sp_el0
    str x1, [sp, #0x98]
    mrs x0, far_el1
    str x0, [sp, #0x08]
    mov w1, #1
    strb w1, [sp]
    mrs x1, spsr_el1
    str w1, [sp, #0x90]
    .endm

    function KiStartSystemThread
    stp x29, x30, [sp, #-0x10]!
    .seh_save_fplr_x 0x10
    mov x29, sp
    .seh_set_fp
    .seh_endprologue
    bl PspSystemThreadStartup
    brk #0xf000
    .seh_endproc

    // Faults of the kernel itself.
    function KiKernelExceptionHandler
    sub sp, sp, #0x150
    .seh_trap_frame
    .seh_endprologue
    save_trap_frame
    mov x29, sp
    ldr x0, [sp, #8]
    mrs x1, esr_el1
    mov x2, sp
    bl MmAccessFault
    cbnz w0, 1f
    mov w0, #0xd1
    ldr x1, [sp, #8]
    mov x2, #2
    mov x3, #0
    ldr x4, [sp, #0x148]
    bl KiBugCheckDispatch
    nop
1:  mov w0, #5
    movk w0, #0xc000, lsl #16
    ldr x1, [sp, #0x148]
    mov x2, sp
    bl KiExceptionDispatch
    nop
    .seh_endproc

    // Break points and undefined instructions: below the trap frame there is an ordinary one.
    function KiKernelBreakHandler
    sub sp, sp, #0x150
    .seh_trap_frame
    stp x29, x30, [sp, #-0x10]!
    .seh_save_fplr_x 0x10
    mov x29, sp
    .seh_set_fp
    .seh_endprologue
    add sp, sp, #0x10
    save_trap_frame
    sub sp, sp, #0x10
    ldr x1, [sp]
    str x1, [sp, #0x150]
    mov w0, #3
    movk w0, #0x8000, lsl #16
    ldr x1, [sp, #0x158]
    add x2, sp, #0x10
    bl KiExceptionDispatch
    nop
    .seh_endproc

    // An interrupt saves all there is.
    function KiInterruptDispatch
    sub sp, sp, #0x390
    .seh_context
    .seh_clear_unwound_to_call
    .seh_endprologue
    stp x0, x1, [sp, #0x08]
    stp x2, x3, [sp, #0x18]
    stp x4, x5, [sp, #0x28]
    stp x6, x7, [sp, #0x38]
    stp x8, x9, [sp, #0x48]
    stp x10, x11, [sp, #0x58]
    stp x12, x13, [sp, #0x68]
    stp x14, x15, [sp, #0x78]
    stp x16, x17, [sp, #0x88]
    stp x18, x19, [sp, #0x98]
    stp x20, x21, [sp, #0xa8]
    stp x22, x23, [sp, #0xb8]
    stp x24, x25, [sp, #0xc8]
    stp x26, x27, [sp, #0xd8]
    stp x28, x29, [sp, #0xe8]
    str x30, [sp, #0xf8]
    mrs x0, sp_el0
    str x0, [sp, #0x100]
    mrs x0, elr_el1
    str x0, [sp, #0x108]
    mov x19, #0
    mov x29, #0
    mov w0, #0xd1
    bl KiCallInterruptServiceRoutine
    brk #0xf000
    .seh_endproc

    // The shortest frame of all: stack pointer and program counter.
    function KiShortInterruptDispatch
    sub sp, sp, #0x10
    .seh_pushframe
    .seh_endprologue
    mrs x0, sp_el0
    mrs x1, elr_el1
    stp x0, x1, [sp]
    mov w0, #0xd1
    bl KiCallInterruptServiceRoutine
    brk #0xf000
    .seh_endproc

    // KEXCEPTION_FRAME: what a call keeps.
    .macro exception_prolog
    stp x29, x30, [sp, #-0xa0]!
    .seh_save_fplr_x 0xa0
    stp x19, x20, [sp, #0x10]
    .seh_save_regp x19, 0x10
    stp x21, x22, [sp, #0x20]
    .seh_save_next
    stp x23, x24, [sp, #0x30]
    .seh_save_next
    stp x25, x26, [sp, #0x40]
    .seh_save_regp x25, 0x40
    str x27, [sp, #0x50]
    .seh_save_reg x27, 0x50
    str x28, [sp, #0x58]
    .seh_save_reg x28, 0x58
    stp d8, d9, [sp, #0x60]
    .seh_save_fregp d8, 0x60
    stp d10, d11, [sp, #0x70]
    .seh_save_fregp d10, 0x70
    str d12, [sp, #0x80]
    .seh_save_freg d12, 0x80
    add x29, sp, #0x20
    .seh_add_fp 0x20
    sub sp, sp, #0x40
    .seh_stackalloc 0x40
    .seh_endprologue
    .endm

    function KiBugCheckDispatch
    exception_prolog
    bl KeBugCheckEx
    nop
    .seh_endproc

    function KiExceptionDispatch
    exception_prolog
    // a handler is free to use what it has saved
    mov x19, #0
    mov x20, #0
    mov x25, #0
    mov x28, #0
    bl KiDispatchException
    nop
    .seh_endproc

    // The frame register is all that knows the way back.
    function KiSwitchStackAndCall
    stp x29, x30, [sp, #-0x20]!
    .seh_save_fplr_x 0x20
    str x19, [sp, #0x10]
    .seh_save_reg x19, 0x10
    mov x29, sp
    .seh_set_fp
    .seh_endprologue
    mov sp, x2
    mov x19, x0
    mov x0, x1
    blr x19
    .seh_startepilogue
    mov sp, x29
    .seh_set_fp
    ldr x19, [sp, #0x10]
    .seh_save_reg x19, 0x10
    ldp x29, x30, [sp], #0x20
    .seh_save_fplr_x 0x20
    .seh_endepilogue
    ret
    .seh_endproc

    // Leaves have no unwind information.
    .macro leaf name
    .globl \name
    .def \name; .scl 2; .type 32; .endef
    .p2align 2
\name:
    .endm

    leaf RtlCaptureContext
    stp x0, x1, [x0, #8]
    ret

    leaf memcpy
    mov x3, x0
1:  cbz x2, 2f
    ldrb w4, [x1], #1
    strb w4, [x3], #1
    sub x2, x2, #1
    b 1b
2:  ret

    leaf memset
    mov x3, x0
1:  cbz x2, 2f
    strb w1, [x3], #1
    sub x2, x2, #1
    b 1b
2:  ret
