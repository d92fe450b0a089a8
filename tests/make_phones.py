"""What tools make of telephones, in small and of our own: UFDR, iOS backups, Android backups.

python -m tests.make_phones     prints the SAMPLE of each of their extractors
"""

import hashlib

from tests.make_archives import zipped

PHOTO = b"\xff\xd8\xff\xe0 a photograph"
NOTE = "нотатка".encode()


def report(files=(), *, head: str = "", project: str = "", models: str = "") -> bytes:
    """A report.xml as Cellebrite writes it; files are (device path, local path, hashes)."""
    tagged = "".join(
        f'<file fs="Phone" fsid="1" path="{path}" size="17" id="f{n}" deleted="Intact"><accessInfo>'
        '<timestamp name="ModifyTime">2024-05-01T07:30:00.000+00:00</timestamp></accessInfo>'
        f'<metadata section="File"><item name="Local Path"><![CDATA[{local}]]></item>'
        + "".join(f'<item name="{key}"><![CDATA[{value}]]></item>' for key, value in hashes.items())
        + "</metadata></file>"
        for n, (path, local, hashes) in enumerate(files)
    )
    text = f"""<?xml version="1.0" encoding="utf-8"?>
{project}<project id="p-1" name="KRN phone" reportVersion="8.5" NodeCount="2" ModelCount="3"
 xmlns="http://pa.cellebrite.com/report/2.0"><sourceExtractions><extractionInfo id="0"
 name="Advanced Logical" type="AdvancedLogical" deviceName="Phone"/></sourceExtractions>
<caseInformation><field name="Case number" fieldType="CaseNumber">KRN-7</field>
<field name="Examiner" fieldType="ExaminerName"><![CDATA[A. Field]]></field></caseInformation>
<metadata section="Additional Fields"><item name="UFED_PA_Version"><![CDATA[7.65.0.21]]></item>
<item name="DeviceInfoCreationTime"><![CDATA[22/05/2024 10:37:00(UTC+3)]]></item></metadata>
<metadata section="Extraction Data">
<item name="DeviceInfoExtractionStartDateTime"
 sourceExtraction="0">14/05/2024 16:49:42(UTC+3)</item>
<item name="DeviceInfoExtractionEndDateTime"><![CDATA[05/06/2024 17:32:15]]></item>
<item name="DeviceInfoUnitIdentifier"><![CDATA[UFED S/N 5933940]]></item></metadata>
<metadata section="Device Info"><item name="IMEI"><![CDATA[490154203237518]]></item>
<item name="DeviceInfoSelectedManufacturer"><![CDATA[Samsung]]></item>
<item name="DeviceInfoSelectedDeviceName"><![CDATA[SM-A525F]]></item>
<item name="Serial"><![CDATA[R58N123ABC]]></item><item name="ICCID"><![CDATA[N/A]]></item>
<item name="MSISDN"><![CDATA[+380441234567]]></item>{head}</metadata>
<taggedFiles>{tagged}</taggedFiles>
<decodedData><modelType type="Chat"><model type="Chat" id="1"><multiModelField name="Messages">
<model type="InstantMessage" id="2"><field name="Body"><value>hello</value></field></model>
</multiModelField></model></modelType><modelType type="Call"><model type="Call" id="3"/>
<model type="Call" id="4"/></modelType>{models}</decodedData></project>"""
    return text.encode()


def ufdr(*, changed: bool = False, missing: bool = False, **options) -> bytes:
    """A .ufdr of two files with their declared hashes; the archive's photograph may differ."""
    files = [
        ("/sdcard/DCIM/IMG_1.jpg", r"files\\Image\\IMG_1.jpg".replace("\\\\", "\\"), hashes(PHOTO)),
        ("/sdcard/нотатка.txt", "files\\Text\\note.txt", hashes(NOTE)),
    ]
    members = [("report.xml", report(files, **options))]
    members.append(("files/Image/IMG_1.jpg", PHOTO + (b"!" if changed else b"")))
    if not missing:
        members.append(("files/Text/note.txt", NOTE))
    return zipped(members)


def hashes(content: bytes) -> dict[str, str]:
    """The hashes as the report names them."""
    return {
        "MD5": hashlib.md5(content).hexdigest(),
        "SHA256": hashlib.sha256(content).hexdigest().upper(),
    }
