"""A phone in software that speaks ADB over TCP; test equipment, see README.md beside this file."""

from tools.simulated_phone.events import Event, EventLog
from tools.simulated_phone.faults import Fault
from tools.simulated_phone.phone import SimulatedPhone
from tools.simulated_phone.profile import Profile, profile_names, read_profile

__all__ = ["Event", "EventLog", "Fault", "Profile", "SimulatedPhone", "profile_names", "read_profile"]
