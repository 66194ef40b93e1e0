# Traps, interrupts and stack switches of x64, with the frames and the unwind information that Windows' own have.
    .intel_syntax noprefix
    .text

    # KTRAP_FRAME with rbp at its 0x80; the processor has pushed what starts at 0x168, and an error code or a filler.
    .macro trap_prolog
    push rbp
    .seh_pushreg rbp
    sub rsp, 0x158
    .seh_stackalloc 0x158
    lea rbp, [rsp + 0x80]
    .seh_setframe rbp, 0x80
    .seh_endprologue
    mov [rbp - 0x50], rax
    mov [rbp - 0x48], rcx
    mov [rbp - 0x40], rdx
    mov [rbp - 0x38], r8
    mov [rbp - 0x30], r9
    mov [rbp - 0x28], r10
    mov [rbp - 0x20], r11
    movaps [rbp - 0x10], xmm0
    movaps [rbp], xmm1
    movaps [rbp + 0x10], xmm2
    .endm

    .macro trap name, code
    .globl \name
    .def \name; .scl 2; .type 32; .endef
    .seh_proc \name
\name:
    .if \code
    .seh_pushframe @code
    .else
    .seh_pushframe
    sub rsp, 8
    .seh_stackalloc 8
    .endif
    trap_prolog
    .endm

    .macro function name
    .globl \name
    .def \name; .scl 2; .type 32; .endef
    .p2align 4
    .seh_proc \name
\name:
    .endm

    function KiStartSystemThread
    sub rsp, 0x28
    .seh_stackalloc 0x28
    .seh_endprologue
    call PspSystemThreadStartup
    int3
    .seh_endproc

    trap KiPageFault, 1
    mov rax, cr2
    mov [rbp + 0x50], rax
    mov rcx, rax
    mov rdx, [rbp + 0xe0]
    lea r8, [rbp - 0x80]
    call MmAccessFault
    test eax, eax
    jne 1f
    mov ecx, 0xd1
    mov rdx, [rbp + 0x50]
    mov r8d, 2
    mov r9, [rbp + 0xe0]
    mov r10, [rbp + 0xe8]
    call KiBugCheckDispatch
    nop
1:  mov ecx, 0xc0000005
    mov rdx, [rbp + 0xe8]
    lea r8, [rbp - 0x80]
    call KiExceptionDispatch
    nop
    .seh_endproc

    trap KiDivideErrorFault, 0
    mov ecx, 0xc0000094
    mov rdx, [rbp + 0xe8]
    lea r8, [rbp - 0x80]
    call KiExceptionDispatch
    nop
    .seh_endproc

    trap KiInvalidOpcodeFault, 0
    mov ecx, 0xc000001d
    mov rdx, [rbp + 0xe8]
    lea r8, [rbp - 0x80]
    call KiExceptionDispatch
    nop
    .seh_endproc

    trap KiDoubleFaultAbort, 1
    mov ecx, 0x7f
    mov edx, 8
    lea r8, [rbp - 0x80]
    mov r9, [rbp + 0x100]
    mov r10, [rbp + 0xe8]
    call KiBugCheckDispatch
    nop
    .seh_endproc

    trap KiInterruptDispatch, 0
    mov ecx, 0xd1
    call KiCallInterruptServiceRoutine
    int3
    .seh_endproc

    # KEXCEPTION_FRAME at rsp: what a call keeps.
    .macro exception_prolog
    sub rsp, 0x138
    .seh_stackalloc 0x138
    lea rax, [rsp + 0x100]
    movaps [rsp + 0x30], xmm6
    .seh_savexmm xmm6, 0x30
    movaps [rsp + 0x40], xmm7
    .seh_savexmm xmm7, 0x40
    movaps [rsp + 0x50], xmm8
    .seh_savexmm xmm8, 0x50
    movaps [rsp + 0x60], xmm9
    .seh_savexmm xmm9, 0x60
    movaps [rax - 0x80], xmm11
    .seh_savexmm xmm11, 0x80
    mov [rax - 8], rbp
    .seh_savereg rbp, 0xf8
    mov [rax], rbx
    .seh_savereg rbx, 0x100
    mov [rax + 8], rdi
    .seh_savereg rdi, 0x108
    mov [rax + 0x10], rsi
    .seh_savereg rsi, 0x110
    mov [rax + 0x18], r12
    .seh_savereg r12, 0x118
    mov [rax + 0x20], r13
    .seh_savereg r13, 0x120
    mov [rax + 0x28], r14
    .seh_savereg r14, 0x128
    mov [rax + 0x30], r15
    .seh_savereg r15, 0x130
    .seh_endprologue
    .endm

    function KiBugCheckDispatch
    exception_prolog
    mov [rsp + 0x20], r10
    call KeBugCheckEx
    nop
    .seh_endproc

    function KiExceptionDispatch
    exception_prolog
    # a handler is free to use what it has saved
    xor ebx, ebx
    xor edi, edi
    xor esi, esi
    xor r12d, r12d
    xor r15d, r15d
    mov rbp, rsp
    call KiDispatchException
    nop
    .seh_endproc

    # The frame register is all that knows the way back.
    function KiSwitchStackAndCall
    push rbp
    .seh_pushreg rbp
    push rbx
    .seh_pushreg rbx
    sub rsp, 0x28
    .seh_stackalloc 0x28
    lea rbp, [rsp + 0x20]
    .seh_setframe rbp, 0x20
    .seh_endprologue
    lea rsp, [r8 - 0x20]
    mov rax, rcx
    mov rcx, rdx
    call rax
    lea rsp, [rbp + 0x8]
    pop rbx
    pop rbp
    ret
    .seh_endproc

    function RtlCaptureContext
    .seh_endprologue
    mov [rcx + 0x78], rax
    mov [rcx + 0x90], rbx
    ret
    .seh_endproc

    # A leaf without unwind information, as Windows' own is.
    .globl memcpy
    .def memcpy; .scl 2; .type 32; .endef
    .p2align 4
memcpy:
    mov rax, rcx
1:  test r8, r8
    je 2f
    mov r9b, [rdx]
    mov [rcx], r9b
    inc rdx
    inc rcx
    dec r8
    jmp 1b
2:  ret

    .globl memset
    .def memset; .scl 2; .type 32; .endef
    .p2align 4
memset:
    mov rax, rcx
1:  test r8, r8
    je 2f
    mov [rcx], dl
    inc rcx
    dec r8
    jmp 1b
2:  ret
