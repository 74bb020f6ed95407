# Completion of touyan(1) for bash.
_touyan() {
    local cur=${COMP_WORDS[COMP_CWORD]} verb='' sub='' word
    local -i i
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
        -*) ;;
        *)
            if [ -z "$verb" ]; then
                verb=$word
            elif [ -z "$sub" ]; then
                sub=$word
            fi
            ;;
        esac
    done
    case $cur in
    -*) mapfile -t COMPREPLY < <(compgen -W '--json --socket --help' -- "$cur") && return ;;
    esac
    case "$verb $sub" in
    ' ') mapfile -t COMPREPLY < <(compgen -W 'status check sms sync device version help' -- "$cur") ;;
    'sms ') mapfile -t COMPREPLY < <(compgen -W 'list show send simulate' -- "$cur") ;;
    'sync ') mapfile -t COMPREPLY < <(compgen -W 'status' -- "$cur") ;;
    'device ') mapfile -t COMPREPLY < <(compgen -W 'list' -- "$cur") ;;
    esac
}
complete -F _touyan touyan
