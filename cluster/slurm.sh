#!/usr/bin/env bash
# A study on Slurm's nodes: `sbatch cluster/slurm.sh STUDY [options of grokgrid run]`, from the checkout. Change what is
# marked "yours", here or by options of sbatch.
#
# Ray runs inside the job and ends with it. Before its time is over the job saves its trials and queues itself anew; it
# then goes on from there, as any run does. `scancel --signal=USR1 --batch JOB` has it do so at once.
#SBATCH --job-name=grokgrid
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --gpus-per-node=1
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:USR1@180
# ^ yours, but the last three. The signal comes so many seconds before the end, and to this script alone (B:): it would
# end Ray's own processes.
set -euo pipefail

long_evaluation_s=${GROKGRID_LONG_EVALUATION_S:-60} # yours: what an evaluation of a trial takes at most

cd "$SLURM_SUBMIT_DIR"
PATH=$PWD/.venv/bin:$PATH

# On a file system that every node sees; yours. MLflow's database is a file in there too, unless MLFLOW_TRACKING_URI
# names a server: a file will do for one job at a time.
export GROKGRID_HOME=${GROKGRID_HOME:-$HOME/grokgrid}

# Jobs and users share hosts. Each job has folders and a port of its own, worked out from its number; and Ray lets in
# only who knows the user's token (cluster/ray.env). Ray's sockets lie in its folder, so that its path must be short.
folder=/tmp/grokgrid-job-$SLURM_JOB_ID
port=$((20000 + SLURM_JOB_ID % 20000))
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
address=$head:$port
set -a
# shellcheck source=cluster/ray.env
. cluster/ray.env
set +a
[ -s ~/.ray/auth_token ] || ray get-auth-token --generate >/dev/null

# Ports that nobody has, where Ray would have its own fixed ones.
ray_node=(ray start --block --temp-dir="$folder" --num-cpus="${SLURM_CPUS_PER_TASK:-1}"
    --num-gpus="${SLURM_GPUS_ON_NODE:-0}" --min-worker-port=0 --max-worker-port=0
    --dashboard-agent-listen-port=0 --dashboard-agent-grpc-port=0)

# Beside what runs there already, one task a node.
on_nodes() { # NUMBER [options of srun] COMMAND
    # The CPUs anew, for srun does not take them over from the job, and would bind all of Ray to one.
    srun --overlap --nodes="$1" --ntasks="$1" --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" "${@:2}"
}

num_nodes() { ray status --address="$address" 2>/dev/null | grep -c '^ *1 node_' || true; }

ray_steps=() # The processes of srun in which Ray runs.

start_ray() {
    on_nodes 1 --nodelist="$head" "${ray_node[@]}" --head --port="$port" --include-dashboard=false &
    ray_steps+=($!)
    until ray health-check --address="$address" >/dev/null 2>&1; do
        kill -0 "${ray_steps[0]}" 2>/dev/null || return 1 # Its reason is in the log.
        sleep 1
    done
    if [ "$SLURM_JOB_NUM_NODES" -gt 1 ]; then
        on_nodes $((SLURM_JOB_NUM_NODES - 1)) --exclude="$head" "${ray_node[@]}" --address="$address" &
        ray_steps+=($!)
    fi
    until [ "$(num_nodes)" -ge "$SLURM_JOB_NUM_NODES" ]; do sleep 1; done
}

leave() {
    trap '' USR1
    echo "time is nearly over: trials are saved" >&2
    is_leaving=yes
    # First a snapshot of every trial at its next evaluation, however far that is; ending the driver waits for seconds only.
    on_nodes "$SLURM_JOB_NUM_NODES" python -m grokgrid.engine.notices --now || true
    sleep "$long_evaluation_s"
    kill -TERM "$driver" 2>/dev/null || true
}

clean_up() {
    kill "${ray_steps[@]}" 2>/dev/null || true
    wait
    on_nodes "$SLURM_JOB_NUM_NODES" rm -rf "$folder" || true
}

trap clean_up EXIT
start_ray
is_leaving=
grokgrid run "$@" --address="$address" &
driver=$!
trap leave USR1
# A signal ends the waiting, not the driver.
while kill -0 "$driver" 2>/dev/null; do
    wait "$driver" && code=0 || code=$?
done

trap - EXIT
clean_up
if [ -n "$is_leaving" ] && [ "$code" = 130 ]; then
    echo "queued anew: job $SLURM_JOB_ID goes on where it stopped" >&2
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
