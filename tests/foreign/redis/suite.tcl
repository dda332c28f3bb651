# What the units of Redis's own suite are told before they begin, so that one fault hides no others.

rename r strict_r
rename test strict_test

# An error between tests would end the unit: it is told, and the unit goes on.
proc r {args} {
    if {$::cur_test ne ""} {
        return [uplevel 1 [list strict_r {*}$args]]
    }
    if {[catch {uplevel 1 [list strict_r {*}$args]} said]} {
        send_data_packet $::test_server_fd outside "[lindex $args 0]: $said"
    }
    return $said
}

# A test that failed may leave a transaction open, or answers that nobody read.
proc test {name code {okpattern undefined} {tags {}}} {
    set failed $::num_failed
    uplevel 1 [list strict_test $name $code $okpattern $tags]
    if {$::num_failed > $failed} {
        set ::cur_test ""
        catch {reconnect}
    }
}
