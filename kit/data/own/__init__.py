"""A folder of one's own before it is a data set: what it holds, what is wrong, what is missing."""

from kit.data.own.label_scan import LabelScan, scan_label
from kit.data.own.survey import Survey, survey_folder

__all__ = ["LabelScan", "Survey", "scan_label", "survey_folder"]
