//! Questions about the secondary data that is understood. Owns which GUID is read by what; never a layout.

use super::acpi::{self, AcpiTable};
use super::black_box::{self, NtfsNotes, PnpEvent, Winlogon};
use super::cpuid::{self, Cpuid};
use super::display::{self, DisplayReport};
use super::hypervisor::{self, Hypervisor};
use super::nvidia::{self, NvidiaReport};
use super::pci::{self, PciFunction};
use super::recorder::{self, RecorderLog};
use super::storage::{self, StorageLog};
use super::triage_data::{self, TriageComponent};
use super::wdf::{self, WdfDriver, WdfLog};
use super::{BOOT_STATUS, Blob, PROCESSOR, SMBIOS};
use crate::boot::{self, BootStatus};
use crate::guid::Guid;
use crate::kernel_dump::KernelDump;
use crate::processor::{self, Processor};
use crate::smbios::{self, Smbios, SmbiosIdentity};

const CPUID: Guid = Guid::from_text_order(0xd03dc06f_d88e_44c5_ba2a_fae035172d19);
const HYPERVISOR: Guid = Guid::from_text_order(0x7b581fa7_81c2_423f_a65c_1266fb10603d);
const WDF_DRIVERS: Guid = Guid::from_text_order(0xf87e4a4c_c5a1_4d2f_bff0_d5de63a5e4c3);
const WDF_LOG: Guid = Guid::from_text_order(0x54c84888_01d1_4c1e_bed6_282c98241303);
const DISPLAY: Guid = Guid::from_text_order(0x270a33fd_3da6_460d_ba89_3c1bae21e39b);
const STORAGE: Guid = Guid::from_text_order(0xda82441d_7142_4bc1_b844_0807c5a4b67f);
const NVIDIA: Guid = Guid::from_text_order(0xbf2297dc_34ba_11dc_868a_e19155d89593);
const ACPI: Guid = Guid::from_text_order(0xe83b40d2_b0a0_4842_abea_71c9e3463dd1);
const PCI: Guid = Guid::from_text_order(0x9276c055_eb87_425c_b8b5_04e4d247f6cd);
const NTFS: Guid = Guid::from_text_order(0x00afe9c4_940d_4213_8016_cd3719b5bc20);
const PNP: Guid = Guid::from_text_order(0xb7631941_532a_4cd6_b1b1_edb5917d4557);
const WINLOGON: Guid = Guid::from_text_order(0x80cc79cf_a719_4af1_bf97_fe29ff76ebc1);
const TRIAGE_DATA: Guid = Guid::from_text_order(0x2b4ae195_a64d_4f04_8ede_7e4f981bd42a);
const TRIAGE_DATA_WITH_CONTENT: Guid = Guid::from_text_order(0x0d910545_e694_4b15_870c_01625fb32a6f);
const DRIVER: Guid = Guid::from_text_order(0xfe96ddbf_850d_4c4a_a7bf_c686be526047);

/// Recorders of trace messages write 4 KiB and a bit; only the heads are read.
const RECORDER_HEAD_LEN: u64 = 0x64;
/// Real dumps have up to 15.
const MAX_RECORDER_LOGS: usize = 256;
/// Lists of one kind that are merged. Real dumps have one.
const MAX_LISTS: usize = 8;

impl KernelDump<'_> {
    fn blobs_of(&self, guid: Guid) -> impl Iterator<Item = &Blob> {
        self.blobs().iter().filter(move |blob| blob.guid == guid)
    }

    /// What the first blob of a kind that is understood tells.
    fn first_of<T>(&self, guid: Guid, read: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        self.blobs_of(guid).find_map(|blob| read(&self.blob_data(blob)))
    }

    /// The same, of blobs whose beginning is enough.
    fn first_head_of<T>(&self, guid: Guid, len: u64, read: impl Fn(&[u8], u64) -> Option<T>) -> Option<T> {
        self.blobs_of(guid).find_map(|blob| {
            let head = Blob { len: blob.len.min(len), ..*blob };
            read(&self.blob_data(&head), blob.len)
        })
    }

    /// What the firmware says of the machine.
    pub fn smbios(&self) -> Option<Smbios> {
        self.first_of(SMBIOS, smbios::read)
    }

    /// Serial numbers and the like, which name one machine and so a person. Nothing else in this crate tells them.
    pub fn smbios_identity(&self) -> Option<SmbiosIdentity> {
        self.first_of(SMBIOS, smbios::read_identity)
    }

    /// What the registry says of the processor.
    pub fn processor(&self) -> Option<Processor> {
        self.first_of(PROCESSOR, processor::read)
    }

    /// What the processor says of itself.
    pub fn cpuid(&self) -> Option<Cpuid> {
        self.first_of(CPUID, cpuid::read)
    }

    /// The hypervisor that Windows ran on: in a virtual machine, or its own.
    pub fn hypervisor(&self) -> Option<Hypervisor> {
        self.first_of(HYPERVISOR, hypervisor::read)
            .or_else(|| self.cpuid().and_then(|cpuid| hypervisor::of_cpuid(&cpuid)))
    }

    /// Drivers that use the Kernel-Mode Driver Framework, the framework itself first.
    pub fn wdf_drivers(&self) -> Vec<WdfDriver> {
        self.first_of(WDF_DRIVERS, |blob| wdf::drivers(blob, self.header().width())).unwrap_or_default()
    }

    /// The framework's log of the driver that it thinks was at work. Where two drivers' logs are there, the last is of the
    /// driver whose code the bug check's parameters name.
    pub fn wdf_log(&self) -> Option<WdfLog> {
        let blobs: Vec<&Blob> = self.blobs_of(WDF_LOG).collect();
        blobs.into_iter().rev().find_map(|blob| wdf::log(&self.blob_data(blob), self.header().width()))
    }

    /// What the graphics kernel wrote: in every dump, not only after a timeout of an adapter.
    pub fn tdr(&self) -> Option<DisplayReport> {
        self.first_head_of(DISPLAY, display::TABLE_LEN, display::read)
    }

    /// Head of the report of NVIDIA's driver.
    pub fn nvidia(&self) -> Option<NvidiaReport> {
        self.first_head_of(NVIDIA, nvidia::HEAD_LEN, nvidia::read)
    }

    /// The last requests of each storage port driver.
    pub fn storage_logs(&self) -> Vec<StorageLog> {
        self.blobs_of(STORAGE)
            .take(MAX_LISTS)
            .filter_map(|blob| storage::read(&self.blob_data(blob)))
            .collect()
    }

    /// Heads of the firmware's ACPI tables.
    pub fn acpi_tables(&self) -> Vec<AcpiTable> {
        self.first_of(ACPI, acpi::read).unwrap_or_default()
    }

    /// PCI functions.
    pub fn pci_functions(&self) -> Vec<PciFunction> {
        self.first_of(PCI, pci::read).unwrap_or_default()
    }

    /// Counter of boots: the header's, else that of the secondary data.
    pub fn boot_id(&self) -> Option<u32> {
        self.header().boot_id.or_else(|| self.first_of(BOOT_STATUS, boot::boot_id))
    }

    /// What Windows noted about its boots.
    pub fn boot_status(&self) -> Option<BootStatus> {
        self.first_of(BOOT_STATUS, boot::read)
    }

    /// What the file system noted.
    pub fn ntfs_notes(&self) -> Option<NtfsNotes> {
        self.first_of(NTFS, black_box::ntfs)
    }

    /// What the device manager noted.
    pub fn pnp_event(&self) -> Option<PnpEvent> {
        self.first_of(PNP, black_box::pnp)
    }

    /// What the sign-in noted.
    pub fn winlogon(&self) -> Option<Winlogon> {
        self.first_of(WINLOGON, black_box::winlogon)
    }

    /// Name of the driver that the kernel names for the bug check. Seen in one dump, where it is the one that faulted.
    pub fn bugcheck_driver(&self) -> Option<String> {
        self.first_of(DRIVER, black_box::driver)
    }

    /// Components that added memory to the dump.
    pub fn triage_components(&self) -> Vec<TriageComponent> {
        let mut left = triage_data::MAX_BLOCKS;
        let lists = self.blobs_of(TRIAGE_DATA).take(MAX_LISTS);
        let lists = lists.filter_map(|blob| triage_data::list(&self.blob_data(blob), &mut left));
        lists.flatten().collect::<Vec<_>>().into_iter().chain(self.triage_contents()).collect()
    }

    /// Of these, the ones whose memory is in the secondary data.
    pub(crate) fn triage_contents(&self) -> Vec<TriageComponent> {
        let mut left = triage_data::MAX_BLOCKS;
        let lists = self.blobs_of(TRIAGE_DATA_WITH_CONTENT).take(MAX_LISTS);
        let of_blob =
            |blob: &Blob| triage_data::list_with_content(&self.blob_data(blob), blob.offset, &mut left);
        lists.filter_map(of_blob).flatten().collect()
    }

    /// Logs that drivers kept of their trace messages, in the order of the dump.
    pub fn recorder_logs(&self) -> Vec<RecorderLog> {
        let mut logs = Vec::new();
        let mut owners = Vec::new();
        for blob in self.blobs() {
            let head = self.blob_data(&Blob { len: blob.len.min(RECORDER_HEAD_LEN), ..*blob });
            if logs.len() < MAX_RECORDER_LOGS
                && let Some(log) = recorder::log(blob.guid, &head)
            {
                logs.push(log);
            } else if owners.len() < MAX_RECORDER_LOGS
                && let Some(owner) = recorder::owner(&head)
            {
                owners.push((blob.guid, owner));
            }
        }
        for log in &mut logs {
            let owner = owners.iter().find(|(guid, _)| *guid == log.provider);
            log.driver = owner.map(|(_, name)| name.clone());
        }
        logs
    }
}
