// What compilers do and assemblers' directives cannot say: the unwind information is written out.
    .text

    .macro public name
    .globl \name
    .def \name; .scl 2; .type 32; .endef
    .p2align 2
    .endm

    public LeafRead
LeafRead:
    ldr x0, [x0]
    ret

    // A function in two parts. The second has unwind information of its own, whose prolog was run by the first: its
    // prolog's codes are there, but no instruction of it.
    public SplitWork
SplitWork:
    stp x19, x20, [sp, #-0x20]!
    stp x29, x30, [sp, #0x10]
    add x29, sp, #0x10
    mov x19, x1
    mov x20, x0
    cmp x1, #2
    b.hi SplitWork$cold
    mov x0, x1
    blr x20
    add x0, x0, x19
.Lsplit_epilog:
    ldp x29, x30, [sp, #0x10]
    ldp x19, x20, [sp], #0x20
    ret
.Lsplit_end:
    brk #0xf000

    public SplitWork$cold
SplitWork$cold:
    add x0, x19, #1
    blr x20
    eor x0, x0, x19
    b .Lsplit_epilog
.Lcold_end:
    brk #0xf000

    // Packed unwind data: x19 to x21, d8 and d9, the homes of the arguments, a chained frame and locals.
    public KeepsWork
KeepsWork:
    stp x19, x20, [sp, #-0x70]!
    str x21, [sp, #0x10]
    stp d8, d9, [sp, #0x18]
    stp x0, x1, [sp, #0x30]
    stp x2, x3, [sp, #0x40]
    stp x4, x5, [sp, #0x50]
    stp x6, x7, [sp, #0x60]
    stp x29, x30, [sp, #-0x40]!
    mov x29, sp
    mov x19, x1
    mov x20, x0
    mov x0, x1
    blr x20
    add x0, x0, x19
    ldp x29, x30, [sp], #0x40
    ldp d8, d9, [sp, #0x18]
    ldr x21, [sp, #0x10]
    ldp x19, x20, [sp], #0x70
    ret
.Lkeeps_end:
    brk #0xf000

    // Packed as well: no frame pointer, the return address beside an odd register.
    public EpilogWork
EpilogWork:
    stp x19, x20, [sp, #-0x20]!
    stp x21, x30, [sp, #0x10]
    sub sp, sp, #0x30
    mov x19, x1
    mov x21, x0
    mov x0, x1
    blr x21
    add x0, x0, x19
    add sp, sp, #0x30
    ldp x21, x30, [sp, #0x10]
    ldp x19, x20, [sp], #0x20
    ret
.Lepilog_end:
    brk #0xf000

    .section .pdata, "dr"
    .p2align 2
    .long SplitWork@IMGREL
    .long .Lsplit_info@IMGREL
    .long SplitWork$cold@IMGREL
    .long .Lcold_info@IMGREL
    // flag 1, length, RegF 1, RegI 3, H, CR 3, frame 0xb0
    .long KeepsWork@IMGREL
    .long 1 | (.Lkeeps_end - KeepsWork) / 4 << 2 | 1 << 13 | 3 << 16 | 1 << 20 | 3 << 21 | 0xb0 / 16 << 23
    // flag 1, length, RegI 3, CR 1, frame 0x50
    .long EpilogWork@IMGREL
    .long 1 | (.Lepilog_end - EpilogWork) / 4 << 2 | 3 << 16 | 1 << 21 | 0x50 / 16 << 23

    .section .xdata, "dr"
    .p2align 2
.Lsplit_info:
    // length, version 0, one epilog scope, two words of codes
    .long (.Lsplit_end - SplitWork) / 4 | 1 << 22 | 2 << 27
    // where the epilog is, and where its codes are
    .long (.Lsplit_epilog - SplitWork) / 4 | 5 << 22
    .byte 0xe2, 0x02 // add x29, sp, #0x10
    .byte 0x42       // stp x29, x30, [sp, #0x10]
    .byte 0x24       // stp x19, x20, [sp, #-0x20]!
    .byte 0xe4       // end
    .byte 0x42, 0x24, 0xe4
.Lcold_info:
    .long (.Lcold_end - SplitWork$cold) / 4 | 2 << 27
    .byte 0xe5 // end_c: no instruction of the prolog is here
    .byte 0xe2, 0x02, 0x42, 0x24, 0xe4
    .byte 0xe3, 0xe3
