# Touches each page of a large frame; every register is kept.
    .intel_syntax noprefix
    .text
    .globl __chkstk
    .def __chkstk; .scl 2; .type 32; .endef
    .seh_proc __chkstk
__chkstk:
    sub rsp, 0x10
    .seh_stackalloc 0x10
    .seh_endprologue
    mov [rsp], r10
    mov [rsp + 8], r11
    lea r10, [rsp + 0x18]
    sub r10, rax
    lea r11, [rsp + 0x18]
    and r11, -0x1000
1:  sub r11, 0x1000
    cmp r11, r10
    jb 2f
    test [r11], r11b
    jmp 1b
2:  mov r10, [rsp]
    mov r11, [rsp + 8]
    add rsp, 0x10
    ret
    .seh_endproc
