"""An ED-Scorbot's controller and joints in numbers, alone or as a process on a broker."""
