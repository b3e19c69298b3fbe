"""What the tests of stored results share."""

import pytest


@pytest.fixture
def unsynced(monkeypatch):
    """Spares small files the wait for the disk."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


@pytest.fixture
def root(tmp_path, unsynced):
    """Folder of an experiment."""
    return tmp_path / "trial"
