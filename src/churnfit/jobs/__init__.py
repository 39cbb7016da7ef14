"""Jobs: the stages composed, one function per command. A job says when and from where; it computes nothing itself."""
