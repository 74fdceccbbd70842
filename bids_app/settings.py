"""Everything a run can be told, in one frozen object."""
