//! A realistic machine: the drivers of Windows 10 and 11 laid out the way the loader does it, and the example dump.

use super::noise::{hash, noise};
use super::{
    SmallDump, SynthArm64Registers, SynthDetails, SynthDriver, SynthProcessor, SynthRegisters, SynthSmbios,
    SynthState, SynthWriter, SynthX86Registers, exception_record, exception_record_32, stack_page,
    trap_frame,
};

/// Inbox drivers of an ordinary machine in load order, with the sizes they have in 64 KiB where that is known.
const INBOX: &str = "ntoskrnl.exe:260 hal.dll:6 kdcom.dll:11 mcupdate_GenuineIntel.dll:40 CLFS.SYS:7 tm.sys:3 \
    PSHED.dll:2 BOOTVID.dll:1 FLTMGR.SYS:7 msrpc.sys:7 ksecdd.sys:3 clipsp.sys:18 cmimcext.sys:1 werkernel.sys:2 \
    ntosext.sys:1 CI.dll:14 cng.sys:12 Wdf01000.sys:14 WDFLDR.SYS:2 WppRecorder.sys:2 SleepStudyHelper.sys:1 \
    acpiex.sys:3 ACPI.sys:13 WMILIB.SYS:1 intelpep.sys:6 WindowsTrustedRT.sys:2 IntelTA.sys:1 \
    WindowsTrustedRTProxy.sys:1 pcw.sys:2 msisadrv.sys:1 pci.sys:8 vdrvroot.sys:2 pdc.sys:3 CEA.sys:2 partmgr.sys:3 \
    spaceport.sys:11 volmgr.sys:2 volmgrx.sys:6 mountmgr.sys:2 storahci.sys:4 storport.sys:12 stornvme.sys:3 \
    EhStorClass.sys:2 fileinfo.sys:2 Wof.sys:4 WdFilter.sys:7 Ntfs.sys:45 Fs_Rec.sys:1 ndis.sys:24 NETIO.SYS:10 \
    ksecpkg.sys:4 tcpip.sys:48 fwpkclnt.sys:8 wfplwfs.sys:4 fvevol.sys:13 volume.sys:1 volsnap.sys:7 rdyboost.sys:5 \
    mup.sys:3 iorate.sys:2 disk.sys:2 CLASSPNP.SYS:7 crashdmp.sys:2 cdrom.sys:3 filecrypt.sys:2 tbs.sys:1 Null.SYS:1 \
    Beep.SYS:1 dxgkrnl.sys:60 watchdog.sys:2 BasicDisplay.sys:2 BasicRender.sys:1 Npfs.SYS:2 Msfs.SYS:2 CimFS.SYS:4 \
    tdx.sys:3 TDI.SYS:1 netbt.sys:6 afunix.sys:1 afd.sys:11 vwififlt.sys:2 pacer.sys:3 ndiscap.sys:1 netbios.sys:2 \
    Vid.sys:12 winhvr.sys:3 rdbss.sys:8 csc.sys:10 nsiproxy.sys:1 npsvctrig.sys:1 mssmbios.sys:1 gpuenergydrv.sys:1 \
    dfsc.sys:3 fastfat.SYS:7 bam.sys:2 ahcache.sys:5 CompositeBus.sys:1 kdnic.sys:1 umbus.sys:2 USBXHCI.SYS:10 \
    ucx01000.sys:5 HDAudBus.sys:2 portcls.sys:6 drmk.sys:3 ks.sys:8 i8042prt.sys:3 kbdclass.sys:2 mouclass.sys:2 \
    CmBatt.sys:1 BATTC.SYS:2 intelppm.sys:6 wmiacpi.sys:1 NdisVirtualBus.sys:1 swenum.sys:1 rdpbus.sys:1 \
    UsbHub3.sys:10 USBD.SYS:1 HdAudio.sys:7 ksthunk.sys:1 hidusb.sys:2 HIDCLASS.SYS:4 HIDPARSE.SYS:2 kbdhid.sys:1 \
    mouhid.sys:1 usbccgp.sys:3 dump_storport.sys:1 dump_stornvme.sys:3 dump_dumpfve.sys:2 win32k.sys:10 \
    win32kbase.sys:45 win32kfull.sys:59 dxgmms2.sys:14 monitor.sys:2 cdd.dll:5 luafv.sys:3 wcifs.sys:4 \
    cldflt.sys:8 storqosflt.sys:2 bindflt.sys:3 mslldp.sys:2 lltdio.sys:2 rspndr.sys:2 wanarp.sys:2 nwifi.sys:11 \
    ndisuio.sys:2 HTTP.sys:26 bowser.sys:3 mpsdrv.sys:2 mrxsmb.sys:10 mrxsmb20.sys:5 srvnet.sys:5 srv2.sys:13 \
    Ndu.sys:3 peauth.sys:13 tcpipreg.sys:2 rassstp.sys:2 condrv.sys:2 WdNisDrv.sys:2";

/// The drivers of a machine of `build`: inbox ones, then `third_party` as (name, size, timestamp), in load order.
///
/// Sizes and timestamps of the inbox ones depend on the build alone; `slide` moves the addresses, as every boot does.
pub fn windows_drivers(build: u32, slide: u64, third_party: &[(&str, u32, u32)]) -> Vec<SynthDriver> {
    let slide = hash(slide);
    let kernel = 0xffff_f800_0000_0000 | (slide & 7) << 32 | (slide >> 8 & 0x3ff) << 21;
    // kernel and HAL lie together; the others follow in a region of their own
    let mut next = [kernel, kernel + 0x0140_0000 + (slide >> 20 & 0xff) * 0x10_0000];
    let mut place = |name: &str, size: u32, timestamp: u32| {
        let region = usize::from(!matches!(name, "ntoskrnl.exe" | "hal.dll"));
        let base = next[region];
        next[region] += u64::from(size).next_multiple_of(0x1_0000);
        SynthDriver { name: name.to_owned(), base, size, timestamp }
    };
    let mut drivers = Vec::with_capacity(200);
    for entry in INBOX.split_ascii_whitespace() {
        let (name, units) = entry.split_once(':').unwrap_or((entry, "1"));
        let dice = hash(name.bytes().fold(u64::from(build), |sum, byte| hash(sum ^ u64::from(byte))));
        let size = units.parse().unwrap_or(1_u32) * 0x1_0000 - (dice as u32 & 0xf) * 0x1000;
        drivers.push(place(name, size, (dice >> 32) as u32));
    }
    for &(name, size, timestamp) in third_party {
        drivers.push(place(name, size, timestamp));
    }
    drivers
}

pub(super) fn office_machine() -> SmallDump {
    let third_party = [
        ("rtwlane.sys", 0x0088_0000, 0x5f3c_1a27),
        ("igdkmd64.sys", 0x0196_0000, 0x6123_88d4),
        ("RTKVHD64.sys", 0x0062_c000, 0x6061_a3c9),
        ("SynTP.sys", 0x000a_9000, 0x5e8b_4f10),
        ("vmbkmcl.sys", 0x0001_f000, 0x35d1_0b6a),
    ];
    let drivers = windows_drivers(19041, 7, &third_party);
    let kernel = drivers[0].base;
    let wireless =
        drivers.iter().find(|driver| driver.name == "rtwlane.sys").map_or(kernel, |found| found.base);
    let fault = wireless + 0x3_21c4;
    let stack_base = 0xffff_a704_eeb6_b6e8;
    let rsp = stack_base + 0x190 + 0x40;
    let mut stack = noise(19, 0x918);
    let faulting =
        SynthRegisters { rip: fault, rsp, rax: 0x10, rcx: 0x28, rdx: 2, r8: 8, ..SynthRegisters::default() };
    stack[0x40..0x40 + 0x190].copy_from_slice(&trap_frame(&faulting, 0x28));
    let returns = [wireless + 0x1_0f3b, drivers[48].base + 0x1_2a70, kernel + 0x28_b3e5, kernel + 0x2_5555];
    for (place, address) in returns.into_iter().enumerate() {
        let at = 0x1d8 + 0x60 * place;
        stack[at..at + 8].copy_from_slice(&address.to_le_bytes());
    }
    // the debugger asks for a window of code and for the page it lies in: blocks overlap, and agree
    let code = noise(25, 0x1000);
    let blocks = vec![
        (kernel + 0xc3_1ee0, noise(21, 0x10)),
        stack_page(stack_base, &stack),
        (fault & !0xfff, noise(23, 0x1000)),
        (kernel + 0x20_b5f0, code[0x5f0..0x7f0].to_vec()),
        (kernel + 0x20_b000, code),
    ];
    SmallDump {
        writer: SynthWriter::Kernel,
        build: 19041,
        ubr: None,
        bugcheck: 0xd1,
        parameters: [0x28, 2, 0, fault],
        // 2024-03-11 08:41:26.1234567 UTC
        system_time: 133_546_200_861_234_567,
        uptime: 372_144_567_890,
        processors: 8,
        boot_id: 42,
        unloaded: vec![
            ("dump_storpor".into(), drivers[60].base + 0x4000_0000, drivers[60].base + 0x4000_f000),
            ("WdmCompanion".into(), kernel + 0x7100_0000, kernel + 0x7100_c000),
        ],
        process: "System".into(),
        state: SynthState { processor_number: 3, ..SynthState::default() },
        registers: SynthRegisters { rip: kernel + 0x3f_4e40, rsp: stack_base, ..SynthRegisters::default() }
            .into(),
        stack_base,
        stack,
        blocks,
        smbios: Some(SynthSmbios {
            vendor: "LENOVO".into(),
            model: "20XW0026GE".into(),
            bios_vendor: "LENOVO".into(),
            bios_version: "N32ET86W (1.62 )".into(),
            bios_date: "07/26/2023".into(),
            board_vendor: "LENOVO".into(),
            board: "20XW0026GE".into(),
            ..SynthSmbios::default()
        }),
        processor: Some(SynthProcessor {
            name: "11th Gen Intel(R) Core(TM) i5-1145G7 @ 2.60GHz".into(),
            vendor: "GenuineIntel".into(),
            identifier: "Intel64 Family 6 Model 140 Stepping 1".into(),
            mhz: 2611,
        }),
        ps_loaded_module_list: kernel + 0xc2_a770,
        kd_debugger_data_block: kernel + 0xc0_0b20,
        filler: 0,
        seed: 1,
        details: SynthDetails::default(),
        drivers,
    }
    .with_size(180 * 1024)
}

/// A Windows 11 tablet with an ARM64 processor: `0x7E`, an access violation in a Wi-Fi driver.
pub(super) fn arm64_tablet() -> SmallDump {
    let third_party =
        [("qcwlan63.sys", 0x0056_a000, 0x61d3_4f0b), ("qcdxkm8280.sys", 0x01c2_0000, 0x6215_77a9)];
    let drivers = windows_drivers(22000, 11, &third_party);
    let kernel = drivers[0].base;
    let wireless =
        drivers.iter().find(|driver| driver.name == "qcwlan63.sys").map_or(kernel, |found| found.base);
    let fault = wireless + 0x4_7a10;
    let stack_base = 0xffff_a080_3c51_d2d0;
    let faulting = SynthArm64Registers {
        x: std::array::from_fn(|place| if place == 8 { 0x18 } else { 0xffff_d20b_0040_0000 + place as u64 }),
        fp: stack_base + 0x720,
        lr: wireless + 0x4_6e3c,
        sp: stack_base + 0x700,
        pc: fault,
        cpsr: 0,
    };
    let mut stack = noise(31, 0x930);
    let record = exception_record(0xc000_0005, fault, &[0, 0x18]);
    stack[0x40..0x40 + record.len()].copy_from_slice(&record);
    let context = super::context_record(&faulting);
    stack[0x100..0x100 + context.len()].copy_from_slice(&context);
    for (place, address) in
        [wireless + 0x4_6e3c, drivers[48].base + 0x1_2a70, kernel + 0x28_b3e4].into_iter().enumerate()
    {
        let at = 0x720 + 0x40 * place;
        stack[at..at + 8].copy_from_slice(&(stack_base + at as u64 + 0x40).to_le_bytes());
        stack[at + 8..at + 16].copy_from_slice(&address.to_le_bytes());
    }
    SmallDump {
        build: 22000,
        bugcheck: 0x1000_007e,
        parameters: [0xffff_ffff_c000_0005, fault, stack_base + 0x40, stack_base + 0x100],
        blocks: vec![stack_page(stack_base, &stack), (fault & !0xfff, noise(33, 0x1000))],
        registers: faulting.into(),
        stack_base,
        stack,
        smbios: Some(SynthSmbios {
            vendor: "Microsoft Corporation".into(),
            model: "Surface Pro 9".into(),
            bios_vendor: "Microsoft Corporation".into(),
            bios_version: "9.50.235".into(),
            bios_date: "10/27/2023".into(),
            board_vendor: "Microsoft Corporation".into(),
            board: "Surface Pro 9 With 5G".into(),
            ..SynthSmbios::default()
        }),
        processor: Some(SynthProcessor {
            name: "Microsoft SQ3 @ 3.0 GHz".into(),
            vendor: "Qualcomm Technologies Inc".into(),
            identifier: "ARMv8 (64-bit) Family 8 Model D4B Revision 0".into(),
            mhz: 2995,
        }),
        ps_loaded_module_list: kernel + 0xc2_a770,
        kd_debugger_data_block: kernel + 0xc0_0b20,
        drivers,
        ..office_machine()
    }
    .with_size(180 * 1024)
}

/// A Windows 7 desktop of 32 bits: `0x8E`, an access violation in `win32k.sys`.
pub(super) fn windows_7_desktop() -> SmallDump {
    let mut drivers = windows_drivers(7601, 13, &[("RTKVHDA.sys", 0x0030_1000, 0x4e1d_88aa)]);
    // a 32-bit kernel has a gigabyte or two to lay its drivers out in
    let mut next = 0x82a1_2000_u32;
    for driver in &mut drivers {
        driver.size = driver.size.min(0x41_5000);
        driver.base = u64::from(next);
        next += driver.size.next_multiple_of(0x1000);
    }
    let kernel = drivers[0].base;
    let win32k = drivers.iter().find(|driver| driver.name == "win32k.sys").map_or(kernel, |found| found.base);
    let fault = win32k + 0x4_17d7;
    let stack_base = 0x9a3e_eb60_u64;
    let faulting = SynthX86Registers {
        eip: fault as u32,
        esp: stack_base as u32 + 0x74,
        ebp: stack_base as u32 + 0x120,
        eax: 0,
        ecx: 0x4b,
        edx: 0x4c,
        ebx: 0,
        esi: 0x8265_6c98,
        edi: 0,
        eflags: 0x1_0297,
    };
    let mut stack = noise(41, 0x9a0);
    stack[..0x74].copy_from_slice(&trap_frame(&faulting, 0)[..0x74]);
    for (place, address) in
        [win32k + 0x3_f0a2, kernel + 0x8_2b1a, drivers[30].base + 0x1a04].into_iter().enumerate()
    {
        let at = 0x120 + 0x40 * place;
        stack[at..at + 4].copy_from_slice(&(stack_base as u32 + at as u32 + 0x40).to_le_bytes());
        stack[at + 4..at + 8].copy_from_slice(&(address as u32).to_le_bytes());
    }
    let record = exception_record_32(0xc000_0005, fault as u32, &[0, 0x4c]);
    stack[0x300..0x300 + record.len()].copy_from_slice(&record);
    SmallDump {
        build: 7601,
        bugcheck: 0x1000_008e,
        parameters: [0xc000_0005, fault, stack_base, 0],
        processors: 4,
        unloaded: vec![
            ("spsys.sys".into(), 0x8fcb_8130, 0x8fcb_87d0),
            ("crashdmp.sys".into(), 0x8a20_0000, 0x8a20_d000),
        ],
        process: "conhost.exe".into(),
        state: SynthState {
            process_id: 4496,
            parent_id: 680,
            peb: 0x7fff_f000,
            thread_id: 10568,
            ..SynthState::default()
        },
        blocks: vec![stack_page(stack_base, &stack), (fault & !0xfff, noise(43, 0x1000))],
        registers: faulting.into(),
        stack_base,
        stack,
        ps_loaded_module_list: kernel + 0x14_a5b0,
        kd_debugger_data_block: kernel + 0x12_ac30,
        drivers,
        ..office_machine()
    }
    .with_size(180 * 1024)
}
