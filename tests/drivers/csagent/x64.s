# What compilers do and assemblers' directives cannot say: the unwind information is written out.
    .intel_syntax noprefix
    .text

    .macro public name
    .globl \name
    .def \name; .scl 2; .type 32; .endef
    .endm

    .p2align 4
    public LeafRead
LeafRead:
    mov rax, [rcx]
    ret

    # A function in three parts. The second, entered after a test, keeps rsi in the home of an argument; the third lies
    # elsewhere and is entered by a jump. Both refer to the first by chained unwind information.
    .p2align 4
    public SplitWork
SplitWork:
    push rbx
.Lsplit_1:
    sub rsp, 0x20
.Lsplit_2:
    mov rbx, rdx
    cmp rdx, 2
    ja SplitWork$cold
.Lsplit_part:
    mov [rsp + 0x30], rsi
.Lsplit_part_1:
    mov rsi, rcx
    mov rcx, rbx
    call rsi
    add rax, rbx
    mov rsi, [rsp + 0x30]
.Lsplit_part_end:
    add rsp, 0x20
    pop rbx
    ret
.Lsplit_end:
    int3

    .p2align 4
    public SplitWork$cold
SplitWork$cold:
    mov [rsp + 0x38], rdi
.Lcold_1:
    mov rdi, rcx
    lea rcx, [rbx + 1]
    call rdi
    mov rdi, [rsp + 0x38]
    jmp .Lsplit_part_end
.Lcold_end:
    int3

    # Large displacements, many vectors, saves at the end of a large frame.
    .p2align 4
    public KeepsWork
KeepsWork:
    push rbp
.Lkeeps_1:
    push r15
.Lkeeps_2:
    mov eax, 0x1b0
    sub rsp, 0x1b0
.Lkeeps_3:
    lea rbp, [rsp + 0x80]
.Lkeeps_4:
    movaps [rsp + 0x190], xmm15
.Lkeeps_5:
    mov [rsp + 0x1a0], r12
.Lkeeps_6:
    mov r12, rdx
    mov r15, rcx
    sub rsp, 0x40
    mov rcx, rdx
    call r15
    add rax, r12
    movaps xmm15, [rbp + 0x110]
    mov r12, [rbp + 0x120]
    lea rsp, [rbp + 0x130]
    pop r15
    pop rbp
    ret
.Lkeeps_end:
    int3

    # Unwind information of version 2: the epilogs are listed.
    .p2align 4
    public EpilogWork
EpilogWork:
    push rbx
.Lepilog_1:
    push rsi
.Lepilog_2:
    sub rsp, 0x28
.Lepilog_3:
    mov rbx, rdx
    mov rsi, rcx
    cmp rdx, 1
    je 1f
    mov rcx, rdx
    call rsi
    add rax, rbx
    add rsp, 0x28
.Lepilog_first:
    pop rsi
    pop rbx
    ret
.Lepilog_first_end:
1:  lea rcx, [rbx + 2]
    call rsi
    xor rax, rbx
    add rsp, 0x28
.Lepilog_last:
    pop rsi
    pop rbx
    ret
.Lepilog_end:
    int3

    .section .pdata, "dr"
    .p2align 2
    .macro range begin, end, info
    .long \begin@IMGREL
    .long \end@IMGREL
    .long \info@IMGREL
    .endm
    range SplitWork, .Lsplit_part, .Lsplit_info
    range .Lsplit_part, .Lsplit_part_end, .Lpart_info
    range .Lsplit_part_end, .Lsplit_end, .Lrest_info
    range SplitWork$cold, .Lcold_end, .Lcold_info
    range KeepsWork, .Lkeeps_end, .Lkeeps_info
    range EpilogWork, .Lepilog_end, .Lepilog_info

    .section .xdata, "dr"
    .p2align 2
.Lsplit_info:
    .byte 0x01, .Lsplit_2 - SplitWork, 2, 0
    .byte .Lsplit_2 - SplitWork, 0x32 # alloc 0x20
    .byte .Lsplit_1 - SplitWork, 0x30 # push rbx
    .p2align 2
.Lpart_info:
    .byte 0x21, .Lsplit_part_1 - .Lsplit_part, 2, 0
    .byte .Lsplit_part_1 - .Lsplit_part, 0x64 # save rsi at 0x30
    .short 0x30 / 8
    range SplitWork, .Lsplit_part, .Lsplit_info
    .p2align 2
.Lrest_info:
    .byte 0x21, 0, 0, 0
    range SplitWork, .Lsplit_part, .Lsplit_info
    .p2align 2
.Lcold_info:
    .byte 0x21, .Lcold_1 - SplitWork$cold, 2, 0
    .byte .Lcold_1 - SplitWork$cold, 0x74 # save rdi at 0x38
    .short 0x38 / 8
    range SplitWork, .Lsplit_part, .Lsplit_info
    .p2align 2
.Lkeeps_info:
    .byte 0x01, .Lkeeps_6 - KeepsWork, 11, 0x85 # rbp = rsp + 0x80
    .byte .Lkeeps_6 - KeepsWork, 0xc5 # save r12, far
    .long 0x1a0
    .byte .Lkeeps_5 - KeepsWork, 0xf8 # save xmm15
    .short 0x190 / 16
    .byte .Lkeeps_4 - KeepsWork, 0x03 # set frame register
    .byte .Lkeeps_3 - KeepsWork, 0x11 # alloc, 32 bits
    .long 0x1b0
    .byte .Lkeeps_2 - KeepsWork, 0xf0 # push r15
    .byte .Lkeeps_1 - KeepsWork, 0x50 # push rbp
    .p2align 2
.Lepilog_info:
    .byte 0x02, .Lepilog_3 - EpilogWork, 5, 0
    .byte .Lepilog_end - .Lepilog_last, 0x16 # an epilog at the end, and its length
    .byte .Lepilog_end - .Lepilog_first, 0x06 # another one, from the end
    .byte .Lepilog_3 - EpilogWork, 0x42 # alloc 0x28
    .byte .Lepilog_2 - EpilogWork, 0x60 # push rsi
    .byte .Lepilog_1 - EpilogWork, 0x30 # push rbx
    .p2align 2
