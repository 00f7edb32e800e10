"""O*NET's text database with three occupations: one in training, one each for test and val."""

from __future__ import annotations

import zipfile
from pathlib import Path

TRAIN, TEST, VAL = "11-1011.00", "11-2022.00", "11-3012.00"
FOLDER = "db_29_2_text"

_SKILL = "O*NET-SOC Code\tElement ID\tElement Name\tScale ID\tData Value\tN\tDate"
TABLES: dict[str, list[str]] = {
    "Occupation Data.txt": [
        "O*NET-SOC Code\tTitle\tDescription",
        f"{TRAIN}\tChief Executives\tDetermine policies.",
        f"{TEST}\tSales Managers\tPlan sales.",
        f"{VAL}\tAdministrative Services Managers\tPlan services.",
    ],
    "Alternate Titles.txt": [
        "O*NET-SOC Code\tAlternate Title\tShort Title\tSource(s)",
        f"{TRAIN}\tChief Executive Officer\tCEO\t08",
        f"{TRAIN}\tChief executives\tn/a\t08",
        f"{TEST}\tVending Manager\tn/a\t02,10",
        f"{TEST}\tManager\tn/a\t02",
        f"{VAL}\tOffice Manager\tn/a\t02",
    ],
    "Sample of Reported Titles.txt": [
        "O*NET-SOC Code\tReported Job Title\tShown in My Next Move",
        f"{TRAIN}\tPresident\tY",
        f"{TEST}\tVending Manager\tN",
        f"{VAL}\tManager\tN",
    ],
    "Task Statements.txt": [
        "O*NET-SOC Code\tTask ID\tTask\tTask Type\tIncumbents Responding\tDate\tDomain Source",
        f'{TRAIN}\t1\tReview "plans" of others.\tCore\tn/a\t08/2023\tAnalyst',
        f"{TRAIN}\t2\tHire staff.\tn/a\tn/a\t08/2023\tAnalyst",
        f"{TEST}\t3\tReview sales.\tCore\tn/a\t08/2023\tAnalyst",
        f"{TEST}\t4\tHire staff.\tCore\tn/a\t08/2023\tAnalyst",
        f"{VAL}\t5\tReview offices.\tCore\tn/a\t08/2023\tAnalyst",
        f"{VAL}\t6\tSit.\tCore\tn/a\t08/2023\tAnalyst",
    ],
    "Content Model Reference.txt": [
        "Element ID\tElement Name\tDescription",
        "4.A.1\tGetting Information\tObserving.",
        "2.A.1\tWriting\tCommunicating in writing.",
        "2.C.1\tLaw\tKnowledge of laws.",
    ],
    "IWA Reference.txt": [
        "Element ID\tIWA ID\tIWA Title",
        "4.A.1\t4.A.1.I01\tReview materials.",
        "4.A.1\t4.A.1.I02\tHire personnel.",
    ],
    "DWA Reference.txt": [
        "Element ID\tIWA ID\tDWA ID\tDWA Title",
        "4.A.1\t4.A.1.I01\t4.A.1.I01.D01\tReview plans.",
        "4.A.1\t4.A.1.I02\t4.A.1.I02.D01\tHire personnel.",
    ],
    "Tasks to DWAs.txt": [
        "O*NET-SOC Code\tTask ID\tDWA ID\tDate\tDomain Source",
        f"{TRAIN}\t1\t4.A.1.I01.D01\t03/2014\tAnalyst",
        f"{TRAIN}\t2\t4.A.1.I02.D01\t03/2014\tAnalyst",
        f"{TEST}\t3\t4.A.1.I01.D01\t03/2014\tAnalyst",
        f"{TEST}\t4\t4.A.1.I02.D01\t03/2014\tAnalyst",
        f"{VAL}\t5\t4.A.1.I02.D01\t03/2014\tAnalyst",
        f"{VAL}\t5\t4.A.1.I01.D01\t03/2014\tAnalyst",
    ],
    "Technology Skills.txt": [
        "O*NET-SOC Code\tExample\tCommodity Code\tCommodity Title\tHot Technology\tIn Demand",
        f"{TRAIN}\tAmazon Web Services AWS software\t43\tCloud software\tY\tN",
        f"{TRAIN}\tCloud Software\t43\tCloud software\tN\tN",
        f"{TEST}\tSalesforce CRM\t44\tSales software\tY\tN",
        f"{TEST}\tCloud Software\t43\tCloud software\tN\tN",
        f"{VAL}\tMicrosoft Excel\t45\tSpreadsheet software\tY\tN",
    ],
    "Tools Used.txt": [
        "O*NET-SOC Code\tExample\tCommodity Code\tCommodity Title",
        f"{TRAIN}\tLaptops\t46\tNotebook computers",
        f"{TEST}\tTablets\t47\tTablet computers",
    ],
    "Skills.txt": [
        _SKILL,
        f"{TRAIN}\t2.A.1\tWriting\tIM\t3.50\t8\t08/2023",
        f"{TRAIN}\t2.A.1\tWriting\tLV\t5.00\t8\t08/2023",
        f"{TEST}\t2.A.1\tWriting\tIM\t4.00\t8\t08/2023",
    ],
    "Knowledge.txt": [
        _SKILL,
        f"{TRAIN}\t2.C.1\tLaw\tIM\t3.49\t8\t08/2023",
    ],
}


def write_zip(path: Path, tables: dict[str, list[str]] = TABLES) -> Path:
    """The database as downloaded: a zip of a folder of files with line ends of Windows."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, lines in tables.items():
            archive.writestr(f"{FOLDER}/{name}", "".join(f"{line}\r\n" for line in lines))
    return path
