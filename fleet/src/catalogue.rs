//! The third-party drivers that the simulated fleet runs and crashes in, most troublesome first.

use dump::synth::hash;

use crate::outages::OutageDriver;
use crate::random::Random;

/// Base names; the place in the list is the rank of a driver's share of all background crashes.
const NAMES: &str = "\
    nvlddmkm.sys igdkmdn64.sys amdkmdag.sys netwtw10.sys rtwlane.sys ibtusb.sys rtkvhd64.sys aswsp.sys \
    klif.sys mfehidk.sys iastorac.sys syntp.sys epfwwfp.sys vboxdrv.sys npcap.sys amdpsp.sys \
    intcaudiobus.sys wireguard.sys e1d68x64.sys symevnt.sys eectrl64.sys cpuz154_x64.sys openzfs.sys \
    vmnetbridge.sys symefasi64.sys amdi2c.sys dokan2.sys cyverak.sys carbonblackk.sys tap0901.sys asacpi.sys \
    womic.sys asusgio2.sys ctifile.sys snapman.sys gzflt.sys vboxsup.sys rtcore64.sys veeamflr.sys \
    tmcomm.sys netr28x.sys eaanticheat.sys bddci.sys tedrdrv.sys athw10x.sys balloon.sys dptf_cpu.sys \
    picadm.sys epfltdrv.sys klhk.sys avgtdia.sys cyoptics.sys tmevtmgr.sys ibmpmdrv.sys vmx86.sys \
    rtwlanu.sys gdrv.sys avgntflt.sys cpuz160_x64.sys mfeavfk.sys iastorvd.sys farflt.sys nvvhci.sys \
    pvscsi.sys l1c63x64.sys upfs.sys edevmon.sys atikmdag.sys eamonm.sys bstkdrv_bgp.sys flightrecorder.sys \
    amdfendr.sys hpdskflt.sys srtsp64.sys tmebc64.sys nvvad64v.sys e1d65x64.sys winfsp-x64.sys ftsvnic.sys \
    teedriverw10x64.sys csfirmwareanalysis.sys vboxnetlwf.sys vmxnet3.sys csdevicecontrol.sys rt640x64.sys \
    intcoed.sys iastora.sys rtf64x64.sys ovpn-dco.sys vsdatant.sys fusbhub.sys easyanticheat_eos.sys \
    dbutil_2_3.sys logi_joy_xlcore.sys netwtw12.sys ztdrv.sys wintun.sys bcmwl63a.sys e2fn.sys veracrypt.sys \
    veeamfct.sys 360fsflt.sys file_tracker.sys vboxnetflt.sys xenbus.sys ehdrv.sys \
    steamstreamingspeakers.sys avgidsdriver.sys vboxguest.sys xenvif.sys tmactmon.sys virtual_file.sys \
    vmci.sys kneps.sys fsulgk.sys mfewfpk.sys logi_joy_bus_enum.sys ssmdrv.sys netwtw04.sys cyvrmtgn.sys \
    faceit.sys csboot.sys aswsnx.sys sentinelelam.sys bhdrvx64.sys atikmpag.sys kl1.sys \
    amdryzenmasterdriver.sys aswvmm.sys netkvm.sys iqvw64e.sys atc.sys hwinfo64a.sys rtkbtfilter.sys \
    netwtw08.sys dlpflt.sys viostor.sys sophosed.sys vfpd.sys mbam.sys vigembus.sys stwrt64.sys intcdaud.sys \
    cbk7.sys ldiagio.sys mtkwl6ex.sys savonaccess.sys ialpss2_i2c_cnl.sys tmumh.sys ctxuvi.sys vm3dmp.sys \
    steamstreamingmicrophone.sys idsvia64.sys igdkmdnd64.sys corsairllaccess64.sys mbamswissarmy.sys \
    mfeaack.sys dokan1.sys e2f68.sys aswrdr2.sys igdkmd64.sys nahimicvad.sys iastoravc.sys shockprf.sys \
    audientusbaudio.sys b57nd60a.sys zapprd.sys ctxusbm.sys esif_lf.sys vpnva64-6.sys rtsper.sys vioscsi.sys \
    rzcommon.sys vbaudio_vmvaio64_win10.sys ldvboxdrv.sys ext4fsd.sys mwac.sys vmmemctl.sys asio3.sys \
    ctinet.sys mfefirek.sys rtcx21x64.sys teefer.sys memudrv.sys acsock64.sys etd.sys logi_joy_vir_hid.sys \
    hpqkbfiltr.sys fortips.sys chdrt64.sys amdpcidev.sys parity.sys netwtw06.sys cyprotectdrv64.sys \
    avipbb.sys aswmonflt.sys hidhide.sys winring0x64.sys bthps3.sys rtsuer.sys intelhaxm.sys \
    dellinstrumentation.sys vgk.sys btrfs.sys klim6.sys bedaisy.sys qcamain10x64.sys tib.sys npf.sys \
    unifltr.sys eio64.sys cdcacmpo_x64.sys trufos.sys qaxfiltermgr.sys usbpcap.sys amdgpio2.sys vsock.sys \
    sentinelmonitor.sys gwdrv.sys hmpalert.sys pangpd.sys easyanticheat.sys hcmon.sys stadrv.sys \
    rtux64w10.sys sysplant.sys vmwvvp.sys jnprva.sys nvhda64v.sys";

/// Windows' own drivers that end up blamed, for want of a third party on the stack.
const INBOX: [&str; 12] = [
    "win32kfull.sys",
    "dxgmms2.sys",
    "Ntfs.sys",
    "USBXHCI.SYS",
    "tcpip.sys",
    "ndis.sys",
    "storport.sys",
    "HDAudBus.sys",
    "Wdf01000.sys",
    "NETIO.SYS",
    "mrxsmb.sys",
    "cldflt.sys",
];

/// One driver that can be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Driver {
    /// Base name.
    pub name: &'static str,
    /// Size of the image; 0 for an inbox driver, whose size the build decides.
    pub size: u32,
    /// PE timestamp; 0 for an inbox driver.
    pub timestamp: u32,
    /// Out of 1000 machines, how many run it of their own accord.
    pub installs: u32,
}

impl Driver {
    /// Whether it ships with Windows.
    pub fn is_inbox(&self) -> bool {
        self.timestamp == 0
    }
}

/// Every driver that may be blamed in the background, by rank.
pub(crate) fn drivers() -> Vec<Driver> {
    let mut drivers: Vec<Driver> = NAMES.split_ascii_whitespace().map(third_party).collect();
    for (place, name) in INBOX.into_iter().enumerate() {
        drivers.insert(2 + 9 * place, Driver::inbox(name));
    }
    drivers
}

impl Driver {
    /// One that ships with Windows.
    pub(crate) fn inbox(name: &'static str) -> Self {
        Self { name, size: 0, timestamp: 0, installs: 1000 }
    }
}

impl From<&'static OutageDriver> for Driver {
    fn from(driver: &'static OutageDriver) -> Self {
        Self { name: &driver.name, size: driver.size, timestamp: driver.timestamp, installs: 0 }
    }
}

fn third_party(name: &'static str) -> Driver {
    let mut random = Random::new(name.bytes().fold(0, |sum, byte| hash(sum ^ u64::from(byte))));
    Driver {
        name,
        size: 0x1_0000 + 0x1000 * random.below(0x300) as u32,
        // a plausible build date between 2017 and 2024
        timestamp: 0x5880_0000 + (random.next() % 0x0d00_0000) as u32,
        installs: 20 + random.below(180) as u32,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn names_are_distinct() {
        let drivers = super::drivers();
        let names: BTreeSet<String> = drivers.iter().map(|driver| driver.name.to_lowercase()).collect();
        assert_eq!(names.len(), drivers.len());
        assert!(drivers.len() > 200);
    }
}
