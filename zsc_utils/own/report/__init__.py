"""The report of someone's own images: one page that is opened from disk and needs no network."""

from zsc_utils.own.report.content import Content, Space, View
from zsc_utils.own.report.page import write_report

__all__ = ["Content", "Space", "View", "write_report"]
